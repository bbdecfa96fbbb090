#!/usr/bin/env node
const major = Number(process.versions.node.split(".")[0]);
if (major >= 24) await import("../dist/main.js");
else {
  process.stderr.write(
    `error: aimessage-server needs Node.js 24 or newer, this is ${process.versions.node}; install it from https://nodejs.org\n`,
  );
  process.exitCode = 1;
}
