/** The encrypted file that holds an agent's identity. */
import { describe, expect, it } from "vitest";
import { openBackup, sealBackup } from "../../src/agent/backup-file.ts";
import { nodeSealer } from "../../src/node/passphrase.ts";
import { newFolder, openStore } from "./folder.ts";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";

const PASSPHRASE = "correct horse battery staple";
const sealed = await sealBackup(nodeSealer, '{"hello": "there"}', PASSPHRASE);

interface File {
  aimessage_backup: number;
  kdf: Record<string, unknown>;
  sealed: string;
}

/** A backup whose key derivation somebody has changed. */
function withKdf(change: Record<string, unknown>): string {
  const file = JSON.parse(sealed) as File;
  return JSON.stringify({ ...file, kdf: { ...file.kdf, ...change } });
}

const dear: [string, Record<string, unknown>][] = [
  ["eight times as many rounds", { N: 2 ** 20 }],
  ["larger blocks", { r: 32 }],
  ["many lanes", { p: 16 }],
  ["rounds that are no power of two", { N: 3 }],
  ["no rounds", { N: 0 }],
  ["half a round", { N: 1.5 }],
  ["rounds without end", { N: 1e300 }],
  ["text for rounds", { N: "131072" }],
  ["another function", { name: "pbkdf2" }],
  ["a salt of a megabyte", { salt: "A".repeat(2 ** 20) }],
];

describe("a backup", () => {
  it("opens by its passphrase alone", async () => {
    expect(await openBackup(nodeSealer, sealed, PASSPHRASE)).toBe('{"hello": "there"}');
    await expect(openBackup(nodeSealer, sealed, "another passphrase")).rejects.toMatchObject({
      code: "wrong_passphrase",
    });
  });

  it.each(dear)("that asks for %s is refused before anything is computed", async (_what, change) => {
    await expect(openBackup(nodeSealer, withKdf(change), PASSPHRASE)).rejects.toMatchObject({ code: "bad_backup" });
  });
});

it("a sealed store that asks for any of that is called damaged, and nothing is computed", async () => {
  const folder = newFolder();
  await (await openStore(folder, PASSPHRASE)).close();
  const database = new DatabaseSync(join(folder, "agent.db"));
  const { value } = database.prepare("SELECT value FROM records WHERE key = '!seal'").get() as { value: string };
  const seal = JSON.parse(value) as File;
  const write = database.prepare("UPDATE records SET value = ? WHERE key = '!seal'");
  for (const [what, change] of dear) {
    write.run(JSON.stringify({ ...seal, kdf: { ...seal.kdf, ...change } }));
    const refused = await openStore(folder, PASSPHRASE).catch((error: unknown) => error);
    expect({ what, refused }).toMatchObject({ what, refused: { code: "store_damaged" } });
  }
  database.close();
});
