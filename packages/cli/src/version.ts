import { readFileSync } from "node:fs";

/** The version of this package; from src, dist and bundle it is the same step up. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return version;
}
