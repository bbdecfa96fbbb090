import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { cheapPassphrases } from "../../../test/passphrases.ts";
import { smallDisk } from "../../../test/small-disk.ts";
import { createWorld } from "./world.ts";

beforeEach(cheapPassphrases);

test("where nothing can be written, what only reads works, and anything else says why it does not", async ({
  skip,
}) => {
  const world = await createWorld();
  await world.register("bob");
  using disk = smallDisk("4m") ?? skip("no right to mount a small disk");
  const env = { AIMESSAGE_HOME: join(disk.path, "agents"), AIMESSAGE_BACKUP_PASSPHRASE: "correct horse battery" };
  const alice = (...words: string[]) => world.cli(words, { env });
  await alice("register", "-u", "alice");
  const { message_id: id } = JSON.parse((await alice("send", "-t", "bob", "-m", "x", "--json")).stdout) as {
    message_id: string;
  };
  await world.cli("send -t alice -m waits");
  await alice("listen", "--count", "1", "--timeout", "20");
  disk.freeze();

  for (const words of [
    ["whoami"],
    ["inbox"],
    ["status", id],
    ["contacts", "list"],
    ["outbox", "list"],
    ["dead", "list"],
  ])
    expect([words, (await alice(...words)).exit]).toEqual([words, 0]);
  expect((await alice("inbox")).stdout).toContain("waits");
  expect((await alice("backup", join(world.home, "alice.backup"))).exit).toBe(0);
  for (const words of [
    ["listen"],
    ["send", "-t", "bob", "-m", "y"],
    ["contacts", "block", "bob"],
    ["unregister", "-y"],
  ])
    expect([words, await alice(...words)]).toEqual([
      words,
      { exit: 1, stdout: "", stderr: expect.stringMatching(/Error: .* is read-only here\nHint: /) },
    ]);
});
