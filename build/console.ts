/**
 * Builds the console's page, and says how large it is. Its files go into a module, so that whatever serves it finds it beside its own code,
 * wherever that was put.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";
import { licencesOf } from "./licences.ts";

const root = fileURLToPath(new URL("../packages/console/", import.meta.url));
const server = fileURLToPath(new URL("../packages/server/dist/", import.meta.url));

/** Builds the page that a module draws. @returns its files by their paths, and what they are made of */
async function pageOf(module: string): Promise<{ files: Record<string, string>; modules: string[] }> {
  const { output } = (await build({
    root,
    base: "./",
    configFile: false,
    logLevel: "error",
    plugins: [
      {
        name: "module of the page",
        transformIndexHtml: { order: "pre", handler: (html) => html.replace("/page/main.tsx", `/page/${module}`) },
      },
    ],
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    resolve: { conditions: ["@aimessage/source", "browser", "import", "default"] },
    build: {
      write: false,
      target: "esnext",
      // What is inline is not allowed to run.
      assetsInlineLimit: 0,
      modulePreload: false,
      reportCompressedSize: false,
      // One file: a relay answers so many requests of an address.
      rolldownOptions: { input: `${root}index.html`, output: { codeSplitting: false } },
    },
  })) as Rolldown.RolldownOutput;
  const named = output.map((file) => {
    const text = file.type === "chunk" ? file.code : file.source;
    return [`/${file.fileName}`, typeof text === "string" ? text : new TextDecoder().decode(text)] as const;
  });
  const modules = output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
  return { files: Object.fromEntries(named), modules };
}

const machine = await pageOf("main.tsx");
const browser = await pageOf("browser-main.tsx");
mkdirSync(`${root}dist`, { recursive: true });
mkdirSync(server, { recursive: true });
// What the page is made of, for the list of licences.
writeFileSync(`${root}dist/modules.json`, JSON.stringify([...new Set([...machine.modules, ...browser.modules])]));
writeFileSync(`${root}dist/page.js`, moduleOf(machine.files));
writeFileSync(`${root}dist/browser-page.js`, moduleOf(browser.files));
// A relay's package is no bundle: its page lies in it.
writeFileSync(`${server}console-page.js`, moduleOf(browser.files));
writeFileSync(`${server}console-licences.txt`, licencesOf(browser.modules));

for (const [name, { files }] of Object.entries({ machine, browser }))
  for (const [path, text] of Object.entries(files))
    console.log(`console ${name} ${path}: ${text.length} bytes, ${gzipSync(text).length} gzipped`);

function moduleOf(files: Record<string, string>): string {
  return `export const files = ${JSON.stringify(files, null, 1)};\n`;
}
