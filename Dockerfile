# The relay, and nothing else. Stage 1 compiles, stage 2 takes its runtime dependencies, stage 3 runs as a plain user.
# By digest: what the tag names changes. `docker buildx imagetools inspect node:24-slim` shows the newest.
FROM node:24.21.0-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6 AS base

FROM base AS manifests
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/sdk/package.json packages/sdk/
COPY packages/server/package.json packages/server/
COPY packages/server/bin packages/server/bin
COPY packages/cli/package.json packages/cli/
COPY packages/cli/bin packages/cli/bin

FROM manifests AS build
RUN npm ci --ignore-scripts
COPY tsconfig.base.json ./
COPY packages/sdk packages/sdk
COPY packages/server packages/server
RUN npx tsc -b packages/server

FROM manifests AS dependencies
RUN npm ci --ignore-scripts --omit=dev --omit=optional -w packages/server

FROM base
ENV NODE_ENV=production PORT=8080 HOST=0.0.0.0 DB_PATH=/data LOG_FORMAT=json
WORKDIR /app
COPY package.json ./
COPY packages/sdk/package.json packages/sdk/
COPY packages/server/package.json packages/server/
COPY packages/server/bin packages/server/bin
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/packages/sdk/dist packages/sdk/dist
COPY --from=build /app/packages/server/dist packages/server/dist
RUN mkdir -m 700 /data && chown 1000:1000 /data
# By number, since Kubernetes cannot tell of a name that it is not root's. It is `node` in this image.
USER 1000:1000
VOLUME /data
EXPOSE 8080
# With TLS in the relay itself, override the health check: this one asks in the clear, inside the container.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "packages/server/bin/aimessage-server.js"]
