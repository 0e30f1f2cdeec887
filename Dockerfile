# The container image, in stages: packages, build, test, collect, runtime.  deploy/image/README.md tells
# what is in it and why; "./dev image" builds and checks it.
#
#   docker build -t sim-exchange .                        the image itself
#   docker build --target test .                          the tests, with a PostgreSQL of their own
#   docker build --build-arg LOCK=warn .                  with other packages than packages.lock has
ARG BASE=debian:bookworm-slim

# Compiler and libraries: made anew when their lists change, not with every line of the sources.
FROM ${BASE} AS packages
ARG LOCK=required
WORKDIR /src
COPY packages.lock packages.txt packages-collect.txt ./
COPY scripts/packages.sh scripts/
COPY deploy/image/packages deploy/image/sources.list deploy/image/
RUN deploy/image/packages packages.txt packages-collect.txt

# The program and the plugins, as they are shipped: also what .devcontainer opens.
FROM packages AS build
COPY . .
ARG COMMIT=
ARG BRANCH=
RUN cmake --preset release --log-level=WARNING "-DSX_COMMIT=${COMMIT}" "-DSX_BRANCH=${BRANCH}" \
    && cmake --build --preset release

# The same tests on a laptop, in the pipeline and in CI.
FROM packages AS tests
ARG LOCK=required
COPY packages-test.txt ./
RUN deploy/image/packages packages-test.txt
COPY . .
ARG TEST_FILTER=
RUN ./dev test --plain "${TEST_FILTER}" && touch /passed

# Whoever builds it has run them; their build folders, gigabytes, are exported by nobody.
FROM scratch AS test
COPY --from=tests /passed /

# What the image holds, as a folder: nothing but what the program opens.
FROM build AS collect
RUN deploy/image/collect.py build/release /image

FROM scratch AS runtime
COPY --from=collect /image/ /
USER 10001:10001
WORKDIR /srv/sim-exchange
ENV SX_ENV=production
EXPOSE 5009
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 \
    CMD ["/srv/sim-exchange/sim-exchange", "health"]
ENTRYPOINT ["/srv/sim-exchange/sim-exchange"]
CMD ["serve"]
