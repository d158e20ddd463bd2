#!/usr/bin/env bash
# An environment for the peers, apart from ours: torch first, so that nothing pulls another build of it.
set -e
cd "$(dirname "$0")/../../.."
python3 -m venv .peers
.peers/bin/pip install -q torch==2.13.0
.peers/bin/pip install -q calorine mace-torch ase numpy
