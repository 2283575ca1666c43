# The image holds one static binary that was built on the host. Build it with
# `make image`, which puts it into build/; then `docker build .` works too, with
# or without BuildKit.
#
# Targets: divvy (the last, so the default), and demo-v1 and demo-v2, which are
# two versions of the application that compose.yaml puts behind divvy.

FROM scratch AS base
COPY build/divvy /divvy
USER 65532:65532
ENTRYPOINT ["/divvy"]

FROM base AS demo-v1
ARG REVISION=
ARG CREATED=
EXPOSE 8080
CMD ["demo-app", "--version", "v1", "--delay", "5ms"]
LABEL org.opencontainers.image.title="divvy-demo" \
      org.opencontainers.image.version="v1" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"

FROM base AS demo-v2
ARG REVISION=
ARG CREATED=
EXPOSE 8080
CMD ["demo-app", "--version", "v2", "--delay", "12ms"]
LABEL org.opencontainers.image.title="divvy-demo" \
      org.opencontainers.image.version="v2" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"

# The user is not root, so it may not read the Docker socket, which belongs to
# root and to a group whose number differs between hosts. Give it that group
# (docker run --group-add, in Compose group_add), or reach the engine through a
# socket proxy.
FROM base AS divvy
# What is edited while divvy runs is remembered here: mount a volume.
COPY --chown=65532:65532 build/state /var/lib/divvy
VOLUME /var/lib/divvy
# No configuration is baked in: which of these ports are in use is up to it.
#   8080 HTTP, 9900 admin
EXPOSE 8080 9900
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/divvy", "health"]
CMD ["run"]

ARG VERSION=dev
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="divvy" \
      org.opencontainers.image.description="A reverse proxy that divides traffic between immutable versions of a service" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.source="$SOURCE"
