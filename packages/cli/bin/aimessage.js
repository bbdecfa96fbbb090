#!/usr/bin/env node
// Plain JavaScript that an old Node can read too, so that it gets a sentence and not a stack.
import { statfsSync, statSync } from "fs";
import module from "module";
import { fileURLToPath } from "url";

const bundle = fileURLToPath(new URL("../bundle/", import.meta.url));
/** Free bytes that a disk must have. */
const ROOM = 2 ** 26;

if (Number(process.versions.node.split(".")[0]) < 24) {
  // A host that calls a hook takes nothing but what it knows, and goes on.
  const isHook = process.argv.includes("hook") && process.argv.includes("--for");
  if (!isHook)
    process.stderr.write(
      `aimessage needs Node 24 or newer; this is ${process.versions.node}. Install it, or run npx aimessage in a clone.\n`,
    );
  process.exitCode = isHook ? 0 : 1;
} else {
  try {
    // Nothing that it writes is for others.
    process.umask(0o077);
    // What V8 has compiled lies beside the code, and is trusted like it: only its owner writes it, who can remove it, too.
    // Where a write fails for want of room, Node leaves an empty file behind each time.
    const { bavail, bsize } = statfsSync(bundle);
    if (process.getuid && statSync(bundle).uid === process.getuid() && bavail * bsize > ROOM)
      module.enableCompileCache(`${bundle}compiled`);
    module.createRequire(import.meta.url)(`${bundle}main.cjs`);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND" && error.path !== bundle) throw error;
    process.stderr.write(`aimessage is not built yet: run \`npm run build\` in the clone. (${error.message})\n`);
    process.exitCode = 1;
  }
}
