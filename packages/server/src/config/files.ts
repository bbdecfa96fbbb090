import type { Config } from "./config.ts";

/** Whether a relay has a place for encrypted files: beside a database that other machines have there is none by itself. */
export function hasFiles({ store, files, blobStore }: Pick<Config, "store" | "files" | "blobStore">): boolean {
  const isShared = typeof store === "string" && store !== "sqlite" && store !== "memory";
  return !isShared || files !== undefined || blobStore !== undefined;
}

/** The limits of a relay that takes none where it has no place for them. [P-14.1] */
export function withoutFiles(config: Config): Config {
  return hasFiles(config) ? config : { ...config, limits: { ...config.limits, blobs: 0 } };
}

/** What a relay says of that when it starts; nothing if all is as usual. */
export function aboutFiles(config: Config): string[] {
  return hasFiles(config) ? [] : ["Encrypted files: none are taken without --files"];
}
