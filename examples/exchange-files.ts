/**
 * Two agents that exchange files: `npx node examples/exchange-files.ts [ws://RELAY]`, or AIMESSAGE_SERVER; default ws://localhost:8080.
 * The author sends a text. The printer saves it, numbers its lines, and answers with another file.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Agent, AgentError } from "@aimessage/sdk/node";

const server = process.argv[2] ?? process.env["AIMESSAGE_SERVER"] ?? "ws://localhost:8080";
const TEXT = "call me Ishmael\nsome years ago\n";

function giveUp(error: unknown): never {
  if (!(error instanceof AgentError)) throw error;
  console.error(`${error.message}\nHint: ${error.hint}`);
  process.exit(1);
}

await using author = await Agent.open({ server, username: "author" }).catch(giveUp);
await using printer = await Agent.open({ server, username: "printer" }).catch(giveUp);

const folder = await mkdtemp(join(tmpdir(), "exchange-files-"));
const closed = new AbortController();
const printing = printer.handle(
  async (message) => {
    const [file] = message.files;
    // Whole, and what was sent, or this throws, and the message comes again.
    const path = await file!.save(join(folder, "in"), { maxBytes: 1_000_000 });
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    const printed = join(folder, "numbered.txt");
    await writeFile(printed, lines.map((line, at) => `${at + 1} ${line}\n`).join(""));
    await message.handled({ body: `${lines.length} lines`, options: { files: [printed] } });
  },
  { signal: closed.signal },
);

const draft = join(folder, "draft.txt");
await writeFile(draft, TEXT);
const reply = await author.ask("printer", "please number these", { files: [draft], timeout: 30_000 });
console.log(`${reply.from}: ${reply.body}`);
const { files } = await author.message(reply.id);
for (const file of files) {
  const path = await file.save(join(folder, "out"));
  console.log(`${basename(path)}, ${file.bytes} bytes:\n${(await readFile(path, "utf8")).trimEnd()}`);
}
closed.abort();
await printing;
await rm(folder, { recursive: true });
