# One static binary, an empty /etc/turnpike, and the roots that a certificate
# authority is trusted by: no shell, no library, nothing to patch but turnpike itself. docs/deployment.md says how to run it.
#
#   docker build --build-arg VERSION=v1.0.0 -t turnpike .
#
# Run it on the host's network. Relayed data needs 16,384 UDP ports, and
# publishing them starts a proxy for each and hides every client's address.
#
#   docker run --network host --read-only --cap-drop ALL --cap-add NET_BIND_SERVICE ...

# Built on the machine's own platform for any other: Go needs no emulator.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
RUN apt-get update && \
    apt-get install -y --no-install-recommends libcap2-bin && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
    -ldflags "-s -w -X main.release=$VERSION" -o /image/usr/bin/turnpike ./cmd/turnpike
# Ports under 1024 without root. A file's capability has to be in the container's
# bounding set, or the kernel refuses to execute the file at all (capabilities(7)):
# hence --cap-add NET_BIND_SERVICE beside --cap-drop ALL.
RUN setcap cap_net_bind_service=+ep /image/usr/bin/turnpike && \
    mkdir -p /image/etc/turnpike /image/etc/ssl/certs && \
    cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM scratch
ARG VERSION
LABEL org.opencontainers.image.title="turnpike" \
      org.opencontainers.image.description="A hardened TURN and STUN relay server" \
      org.opencontainers.image.version="$VERSION"
# Neither --chown nor --chmod here: a change of owner takes the capability away.
COPY --from=build /image /
USER 65532:65532
EXPOSE 3478/udp 3478/tcp 443/tcp
# It asks /livez, not /readyz: a container that drains is not to be killed.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["/usr/bin/turnpike", "healthcheck"]
# The first SIGTERM drains. Give the container longer to stop (docker run
# --stop-timeout) than drain.timeout says: SIGKILL ends calls in the middle.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/turnpike"]
CMD ["serve", "--config", "/etc/turnpike/turnpike.yaml"]
