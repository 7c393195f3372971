# A bare Debian with what `make run` and `make test` need, and a clone of the repository.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv make git \
 && rm -rf /var/lib/apt/lists/*
COPY . /clone
WORKDIR /clone
