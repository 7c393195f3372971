# Debian packages that have units of systemd, installed without systemd, and asyncinit to run their services.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
ARG PACKAGES
# Nothing is started while packages are installed: asyncinit does so, by the units.
RUN printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv ${PACKAGES} \
 && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md LICENSE /src/
COPY asyncinit /src/asyncinit
RUN python3 -m venv /opt/asyncinit \
 && /opt/asyncinit/bin/pip install --no-cache-dir /src \
 && ln -s /opt/asyncinit/bin/asyncinit /usr/local/bin/asyncinit
