# syntax=docker/dockerfile:1
# The images of operator, manager and node, one target each:
#
#   docker build --target manager --tag distributed-file-server/manager:0.1.0 .
#
# For both architectures: docker buildx build --platform linux/amd64,linux/arm64 …

# What the images are built on; a digest says more than a tag:
#
#   docker build --build-arg BUILD_IMAGE=docker.io/library/rust:1.95-bookworm@sha256:… \
#       --build-arg BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot@sha256:… …
ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# The compiler runs on the machine's own architecture, whatever it builds for.
FROM --platform=$BUILDPLATFORM $BUILD_IMAGE AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src

# One name for the target, and a linker and C compiler for the other architecture:
# ring and mimalloc have C and assembler.
RUN <<'SH'
set -eu
case $TARGETARCH in
    amd64) cpu=x86_64 ;;
    arm64) cpu=aarch64 ;;
    *) echo "no images for $TARGETARCH" >&2; exit 1 ;;
esac
echo "$cpu-unknown-linux-gnu" >/target
rustup target add "$(cat /target)"
if [ "$TARGETARCH" != "$BUILDARCH" ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "gcc-$(echo $cpu | tr _ -)-linux-gnu" "libc6-dev-$TARGETARCH-cross"
    rm -rf /var/lib/apt/lists/*
fi
SH
ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CC_x86_64_unknown_linux_gnu=x86_64-linux-gnu-gcc \
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc

COPY . .
# All three at once: they share nearly everything. The caches outlive the build,
# so that the binaries are copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=target-$TARGETARCH,sharing=locked <<'SH'
set -eu
target=$(cat /target)
# Without `manager standalone`, which has a node in it.
cargo build --locked --release --no-default-features --features=manager/kubernetes,manager/mongodb --target "$target" -p operator -p manager -p node
mkdir -p /out /empty
cp "target/$target/release/operator" "target/$target/release/manager" "target/$target/release/node" /out/
SH

# The C library, certificates, and no shell. The user is a number, so that
# Kubernetes can tell that it is not root.
FROM $BASE_IMAGE AS base
USER 10001:10001
LABEL org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="distributed-file-server"

FROM base AS operator
LABEL org.opencontainers.image.title="operator" \
      org.opencontainers.image.description="Turns FileServerPools into nodes of the distributed file server"
COPY --from=build /out/operator /usr/local/bin/operator
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/operator"]

FROM base AS manager
LABEL org.opencontainers.image.title="manager" \
      org.opencontainers.image.description="The REST API of the distributed file server"
COPY --from=build /out/manager /usr/local/bin/manager
# Outside of Kubernetes a volume takes its owner from here.
COPY --from=build --chown=10001:10001 /empty /data
WORKDIR /data
EXPOSE 8000 9000 8001
ENTRYPOINT ["/usr/local/bin/manager"]

FROM base AS node
LABEL org.opencontainers.image.title="node" \
      org.opencontainers.image.description="Stores files for the distributed file server"
COPY --from=build /out/node /usr/local/bin/node
COPY --from=build --chown=10001:10001 /empty /data
WORKDIR /data
# Whoever runs a container reaches it from outside: Kubernetes' probes, for one.
ENV DFS_OPS=[::]:9101
EXPOSE 9100 9101
ENTRYPOINT ["/usr/local/bin/node"]
