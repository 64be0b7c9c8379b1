# goavail in an image that holds the binary and nothing else.
#
#   docker build -t goavail .
#   docker run --read-only --cap-drop ALL --cap-add NET_RAW --security-opt no-new-privileges=false \
#     -v ./goavail.toml:/etc/goavail/goavail.toml:ro -v goavail-state:/var/lib/goavail \
#     --tmpfs /run/goavail:uid=65532,gid=65532,mode=0700 \
#     -v ./cf-api-token:/run/secrets/cf-api-token:ro -e CF_API_TOKEN_FILE=/run/secrets/cf-api-token \
#     goavail --no-dry-run monitor
#
# packaging/compose.yaml says the same for Compose, packaging/kubernetes.yaml for Kubernetes.
#
# In goavail.toml:
#   state_file = "/var/lib/goavail/state.json"
#   [Status]
#   socket = "/run/goavail/control.sock"
# The health check asks there; without [Status] in /etc/goavail/goavail.toml it fails.
#
# The binary is static and runs elsewhere too; this puts it into the present folder:
#   docker create --name goavail-copy goavail && docker cp goavail-copy:/usr/local/bin/goavail . && \
#     docker rm goavail-copy
#
# Three ways to send echo requests, any one of them is enough:
# - the ordinary user of this image, with NET_RAW among the container's capabilities (as above; it is
#   among Docker's defaults, too), where the runtime allows new privileges;
# - the ordinary user with nothing at all, where `--sysctl net.ipv4.ping_group_range="0 2147483647"`
#   is set (Docker sets it by itself since 20.10): this works with `--cap-drop ALL` and with
#   no-new-privileges, so also in a restricted Kubernetes namespace;
# - root, with `--user 0:0 --cap-drop ALL --cap-add NET_RAW`. What root does not need it gives up at
#   the start.
#
# The compiler is pinned by its version. A build that must be the same next year pins the image by
# its digest, which `docker buildx imagetools inspect rust:1.95.0-alpine` prints.

FROM rust:1.95.0-alpine AS build
# ring compiles a little C; setcap is libcap's. Alpine keeps no old versions that could be pinned here.
# hadolint ignore=DL3018
RUN apk add --no-cache build-base libcap
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY packaging/build.sh packaging/image-root.sh packaging/
# No shared library, not even musl's: the image below has none.
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    packaging/build.sh && packaging/image-root.sh target/dist/goavail /root-of-image

FROM scratch
# The roots of trust are in the binary; /etc/ssl/certs, if it is mounted, is trusted as well.
COPY --from=build /root-of-image/ /
ENV PATH=/usr/local/bin
# Where goavail.toml is looked for, and relative paths in it.
WORKDIR /etc/goavail
VOLUME ["/var/lib/goavail"]
USER 65532:65532
# Ends with 1 if no agent answers or its loop no longer turns.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/goavail", "status", "--json"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/goavail"]
CMD ["monitor"]
