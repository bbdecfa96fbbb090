/**
 * Records a run of the demo: `npm run demo:record`. docs/demo.cast is the recording (asciicast v2), docs/demo.svg shows it, for
 * README.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { homedir, hostname, tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { pictureOf } from "./picture.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const TITLE = "npm run demo";

const { NO_COLOR: _, ...env } = process.env;
const begun = performance.now();
const events: [seconds: number, kind: "o", text: string][] = [[0, "o", `$ ${TITLE}\r\n`]];
const demo = spawn(process.execPath, [here("main.ts"), "--built"], {
  env: { ...env, FORCE_COLOR: "1" },
  stdio: ["ignore", "pipe", "inherit"],
});
demo.stdout.setEncoding("utf8").on("data", (text: string) => {
  events.push([(performance.now() - begun) / 1000, "o", text.replaceAll("\n", "\r\n")]);
});
const [code] = (await once(demo, "close")) as [number | null];
if (code !== 0) throw new Error(`the demo ended with ${code}`);

const said = events.map(([, , text]) => text).join("");
for (const ours of [homedir(), hostname(), tmpdir(), here("..")])
  if (said.includes(ours)) throw new Error(`the recording would show ${ours}`);
const height = said.split("\n").length;
const header = { version: 2, width: 80, height, title: TITLE, idle_time_limit: 1.5 };
const lines = [header, ...events.map(([at, kind, text]) => [Number(at.toFixed(3)), kind, text])];
const cast = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
writeFileSync(here("../docs/demo.cast"), cast);
writeFileSync(here("../docs/demo.svg"), await pictureOf(cast));
