#!/usr/bin/env node
// Plain JavaScript that an old Node can read too, so that it gets a sentence and not a stack.
import module from "node:module";
import { fileURLToPath } from "node:url";

if (Number(process.versions.node.split(".")[0]) < 24) {
  process.stderr.write(
    `aimessage needs Node 24 or newer; this is ${process.versions.node}. Install it, or run npx aimessage in a clone.\n`,
  );
  process.exitCode = 1;
} else {
  // What V8 has compiled lies beside the code, and is trusted like it; where that cannot be written nothing is kept.
  module.enableCompileCache?.(fileURLToPath(new URL("../bundle/compiled", import.meta.url)));
  try {
    module.createRequire(import.meta.url)("../bundle/main.cjs");
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    process.stderr.write(`aimessage is not built yet: run \`npm run build\` in the clone. (${error.message})\n`);
    process.exitCode = 1;
  }
}
