/** A process of its own that saves a file: `part-child.ts FOLDER NAME UNTIL`. Says where it is, and waits there to be killed. */
import { PartFile } from "../../src/node/part-file.ts";

const [, , folder = "", name = "", until = ""] = process.argv;
const forever = new Promise(() => setInterval(() => undefined, 1_000));
const file = await PartFile.open(folder, name);

if (until === "writing") {
  // It goes on until it is killed.
  await file.write(0, new Uint8Array(100_000).fill(1));
  console.log(file.part);
  for (;;) await file.write(file.bytes, new Uint8Array(10_000).fill(1));
}
await file.write(0, new TextEncoder().encode("the whole"));
await file.finish(async () => {
  console.log(file.part);
  await forever;
});
