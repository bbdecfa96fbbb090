/** Files of messages: made, and looked at where they were saved. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { SqliteStore } from "@aimessage/sdk/node";
import type { Books } from "../shared/books.ts";
import type { Verdict } from "./check.ts";
import type { Entry } from "./ledger.ts";
import type { World } from "./world.ts";

/** Parts of the messages that have a file. */
const FEW = 0.03;
const MANY = 0.2;
/** Of those, the part that is large. Bytes. */
const LARGE = 0.15;
const MOST_LARGE = 12 * 2 ** 20;
const MOST_SMALL = 300_000;

const digests = new Map<string, string>();

interface Making {
  folder: string;
  /** From 0 to 1. */
  dice: number;
  many: boolean;
}

/** A file for a letter, if it is one that has one. */
export function fileOfLetter(id: string, { folder, dice, many }: Making): { files?: string[] } {
  const share = many ? MANY : FEW;
  if (dice >= share) return {};
  const part = dice / share;
  const bytes = part < LARGE && many ? (part / LARGE) * MOST_LARGE : ((part * 10) % 1) * MOST_SMALL;
  const path = join(folder, `${id}.bin`);
  const content = randomBytes(Math.floor(bytes));
  writeFileSync(path, content);
  digests.set(basename(path), digest(content));
  return { files: [path] };
}

function digest(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Messages that were handled, whose files have to be where their recipient saves them. */
function due({ ledger }: World, books: Map<string, Books>): Entry[] {
  return [...ledger.entries.values()].filter(
    ({ letter, from, excused, displaced }) =>
      letter.files !== undefined &&
      excused.size === 0 &&
      !displaced &&
      books.get(from)?.sent.get(letter.id)?.state === "handled",
  );
}

/** A file that is not where it should be yet, and then what is left of files that are. */
export async function missingFile(world: World, books: Map<string, Books>): Promise<string | undefined> {
  for (const { letter } of due(world, books)) {
    const folder = world.agents.find(({ name }) => name === letter.to)?.inFolder ?? "";
    for (const path of letter.files ?? [])
      if (!existsSync(join(folder, basename(path)))) return `${basename(path)} is not saved`;
  }
  const blob = (await leftAtRelay(world, books))[0];
  return blob === undefined ? undefined : `the relay still has the file ${blob}`;
}

/** No name that is not a whole file's, none twice, no part, and nothing at the relay that nobody will fetch. */
export async function checkFiles(verdict: Verdict, world: World, books: Map<string, Books>): Promise<void> {
  for (const { name, inFolder } of world.agents)
    for (const file of readdirSync(inFolder)) {
      if (file.startsWith(".")) {
        // Whoever does not know of it any more has left it: such a store was put back. Where the run was broken off, much is under way.
        if (books.size > 0 && !world.ledger.wasPutBack(name)) verdict.other.push(`a part was left: ${name}/${file}`);
        continue;
      }
      const original = file.replace(/ \(\d+\)(?=\.bin$)/, "");
      const expected = digests.get(original);
      if (expected !== digest(readFileSync(join(inFolder, file)))) verdict.lost.push(`not whole: ${name}/${file}`);
      if (original !== file && !world.ledger.wasPutBack(name)) verdict.doubled.push(`saved twice: ${name}/${file}`);
    }
  if (books.size === 0) return;
  verdict.counts["with files, saved"] = due(world, books).length;
  const missing = await missingFile(world, books);
  if (missing !== undefined) verdict.lost.push(missing);
  for (const { name, folder } of world.agents)
    if (existsSync(join(folder, "spool")) && readdirSync(join(folder, "spool")).length > 0)
      verdict.other.push(`${name} has kept what streams gave`);
}

/** Files that the relay has of messages that were handled, or that never came to be. */
async function leftAtRelay({ relays, agents, ledger }: World, books: Map<string, Books>): Promise<string[]> {
  const known = new Map<string, string>();
  for (const { name, folder } of agents) {
    await using store = await SqliteStore.open(folder);
    for (const [, value] of await store.read((tx) => tx.list({ prefix: "out-file/" }))) {
      const { blob, name: file } = JSON.parse(value as string) as { blob?: string; name: string };
      if (blob !== undefined) known.set(blob, `${name} ${file}`);
    }
  }
  const anyPutBack = agents.some(({ name }) => ledger.wasPutBack(name));
  const rows = await relays.ask<{ id: string }>("SELECT id FROM blobs");
  return rows.flatMap(({ id }) => {
    const [, file] = known.get(id)?.split(" ") ?? [];
    // A store that is gone has taken its knowledge along: that ends when its time is over.
    if (file === undefined) return anyPutBack ? [] : [`${id}, of which nobody knows`];
    const entry = ledger.entries.get(file.replace(/\.bin$/, ""));
    const isOver = entry === undefined || entry.displaced || entry.excused.size > 0;
    const state = books.get(entry?.from ?? "")?.sent.get(entry?.letter.id ?? "")?.state;
    return isOver || state !== "handled" ? [] : [`${id}, which is ${file}`];
  });
}
