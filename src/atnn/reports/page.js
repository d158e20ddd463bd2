"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = () => document.documentElement.clientWidth < 640;
  const read = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /* ---- figures: drawn with the text and grid colors of the page's theme ---- */
  function themed(layout) {
    const ink = read("--ink"), line = read("--line"), changes = {"font.color": ink, "hoverlabel.bgcolor": read("--panel"),
      "hoverlabel.font.color": ink, "hoverlabel.bordercolor": line, "legend.bgcolor": "rgba(0,0,0,0)"};
    for (const key of Object.keys(layout)) {
      if (!/^[xy]axis\d*$/.test(key)) continue;
      Object.assign(changes, {[key + ".gridcolor"]: line, [key + ".linecolor"]: read("--soft"), [key + ".tickcolor"]: line});
    }
    return changes;
  }

  /* On a narrow screen, panels that stand side by side go below each other. */
  function stacked(spec) {
    const axes = Object.keys(spec.layout).filter((k) => /^[xy]axis\d*$/.test(k));
    const side = axes.filter((k) => k[0] === "x" && (spec.layout[k].domain || [0, 1])[0] > 0.05);
    if (narrow()) spec.layout.font.size = 11;  // titles of axes fit beside and below a small panel
    if (!narrow() || !side.length) return spec;
    const left = axes.filter((k) => k[0] === "x" && (spec.layout[k].domain || [0, 1])[0] <= 0.05);
    const shift = (key, low, high) => {
      const y = "y" + key.slice(1), d = spec.layout[y].domain || [0, 1];
      spec.layout[y].domain = [low + d[0] * (high - low), low + d[1] * (high - low)];
      spec.layout[key].domain = [0, 1];
    };
    left.forEach((k) => shift(k, 0.57, 1));
    side.forEach((k) => shift(k, 0, 0.4));
    for (const title of spec.layout.annotations || []) {
      if (title.xref !== "paper" || title.yref !== "paper") continue;
      const [low, high] = title.x > 0.5 ? [0, 0.4] : [0.57, 1];
      Object.assign(title, {x: 0.5, y: low + title.y * (high - low)});
    }
    spec.layout.height = Math.round(spec.layout.height * 1.7);
    return spec;
  }

  function draw(source) {
    const target = document.getElementById(source.dataset.plot);
    const spec = stacked(JSON.parse(source.textContent));
    target.style.minHeight = spec.layout.height + "px";
    Plotly.newPlot(target, spec.data, spec.layout,
      {responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"]})
      .then(() => Plotly.relayout(target, themed(target.layout)));
  }
  const recolor = () => document.querySelectorAll(".plot.js-plotly-plot").forEach((p) => Plotly.relayout(p, themed(p.layout)));

  /* ---- moving picture of atoms ---- */
  function show(source) {
    const root = document.getElementById(source.dataset.view), view = JSON.parse(source.textContent);
    const stage = root.querySelector(".stage"), play = root.querySelector(".play");
    const slider = root.querySelector(".frame"), time = root.querySelector(".time");
    let viewer;
    try {
      viewer = $3Dmol.createViewer(stage, {backgroundColor: "white", backgroundAlpha: 0, antialias: true});
    } catch (error) {
      stage.textContent = "This browser cannot draw in 3D (no WebGL).";
      return;
    }
    const choice = root.querySelector(".motion");
    const scheme = {prop: "elem", map: view.elements};
    const load = (xyz) => {
      viewer.removeAllModels();
      viewer.addModelsAsFrames(xyz, "xyz");
      viewer.setStyle({}, {stick: {radius: 0.11, colorscheme: scheme}, sphere: {scale: 0.26, colorscheme: scheme}});
    };
    /* A period of a vibration, from the positions and the amplitudes of all coordinates. */
    const phases = 24, rows = view.xyz.split("\n");
    const period = (moves) => Array.from({length: phases}, (_, k) => rows.map((row, n) => {
      if (n < 2 || !row) return row;
      const [symbol, ...place] = row.split(" "), shift = Math.sin(2 * Math.PI * k / phases);
      return symbol + " " + place.map((x, c) => (Number(x) + shift * moves[3 * (n - 2) + c]).toFixed(3)).join(" ");
    }).join("\n")).join("");
    if (choice) {
      view.times = Array.from({length: phases}, (_, k) => k);
      slider.max = phases - 1;
      time.hidden = true;
      choice.selectedIndex = view.motions.length - 1;
      choice.addEventListener("change", () => { load(period(view.motions[choice.selectedIndex])); put(0); });
    }
    load(choice ? period(view.motions[choice.selectedIndex]) : view.xyz);
    const point = (v) => ({x: v[0], y: v[1], z: v[2]});
    if (view.lattice.length) {
      const [a, b, c] = view.lattice, at = (i, j, k) => [0, 1, 2].map((x) => i * a[x] + j * b[x] + k * c[x]);
      for (const [u, w] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
        for (const [s, e] of [[at(0, u, w), at(1, u, w)], [at(u, 0, w), at(u, 1, w)], [at(u, w, 0), at(u, w, 1)]]) {
          viewer.addCylinder({start: point(s), end: point(e), radius: 0.03, color: "gray"});
        }
      }
    }
    viewer.zoomTo();
    viewer.zoom(view.lattice.length ? 0.95 : 1.1);
    let frame = 0, playing = view.times.length > 1 && !matchMedia("(prefers-reduced-motion: reduce)").matches, visible = true;
    const put = (k) => {
      frame = k;
      slider.value = k;
      time.textContent = view.times[k].toFixed(view.times[k] < 100 ? 1 : 0) + " fs";
      return viewer.setFrame(k).then(() => viewer.render());
    };
    const label = () => { play.textContent = playing ? "Pause" : "Play"; };
    let last = 0, busy = false;
    const tick = (now) => {
      if (playing && visible && !busy && now - last > 45) {
        last = now;
        busy = true;
        put((frame + 1) % view.times.length).then(() => { busy = false; });
      }
      requestAnimationFrame(tick);
    };
    play.addEventListener("click", () => { playing = !playing; label(); });
    slider.addEventListener("input", () => { playing = false; label(); put(Number(slider.value)); });
    new IntersectionObserver((seen) => { visible = seen[0].isIntersecting; }).observe(stage);
    window.addEventListener("resize", () => viewer.resize());
    label();
    if (view.times.length < 2) root.querySelector(".controls").hidden = true;
    put(0).then(() => { root.dataset.drawn = "true"; });
    requestAnimationFrame(tick);
  }

  document.querySelectorAll("script[data-plot]").forEach(draw);
  document.querySelectorAll("script[data-view]").forEach(show);
  dark.addEventListener("change", recolor);
  window.addEventListener("beforeprint", () => { document.querySelectorAll("details").forEach((d) => { d.open = true; }); });
  window.matchMedia("print").addEventListener("change", recolor);

  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.getAttribute("href").slice(1), a]));
  const spy = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      links.forEach((a) => a.classList.remove("here"));
      links.get(entry.target.id).classList.add("here");
    }
  }, {rootMargin: "-15% 0px -75% 0px"});
  document.querySelectorAll("main section").forEach((s) => spy.observe(s));
})();
