import { expect, test } from "vitest";
import { completed } from "../src/hints.ts";
import { createWorld } from "./world.ts";

const isCommand = (word: string) => ["ask", "requests", "pair", "register", "whoami"].includes(word);
const typed = { npx: false, username: undefined, home: undefined };

test.each([
  ["the question stays: aimessage ask --resume ab12", "the question stays: aimessage -u bob ask --resume ab12"],
  [
    "aimessage pair --resume goes on; aimessage pair --withdraw",
    "aimessage -u bob pair --resume goes on; aimessage -u bob pair --withdraw",
  ],
  ["bob's aimessage is awake", "bob's aimessage is awake"],
  ["have another made: `aimessage pair` on the other side", "have another made: `aimessage pair` on the other side"],
  ["aimessage register -u NAME -s URL", "aimessage register -u NAME -s URL"],
  ["name it: aimessage -u NAME pair --line", "name it: aimessage -u NAME pair --line"],
  [
    "(aimessage pair --withdraw); or aimessage whoami",
    "(aimessage -u bob pair --withdraw); or aimessage -u bob whoami",
  ],
  ["aimessage:bob@host#A", "aimessage:bob@host#A"],
])("%j is typed by bob as %j", (text, whole) => {
  expect(completed(text, { ...typed, username: "bob" }, isCommand)).toBe(whole);
  expect(completed(text, typed, isCommand)).toBe(text);
});

test("a home that was named, and npx, are named again; a path is quoted as a shell needs it", () => {
  const home = "/tmp/it's here";
  expect(completed("aimessage -u NAME pair --line", { ...typed, npx: true, home }, isCommand)).toMatch(
    /^npx aimessage --home .*it.*s here['"] -u NAME pair --line$/,
  );
  expect(completed("aimessage requests", { ...typed, username: "b", home: "/srv/a" }, isCommand)).toBe(
    "aimessage -u b --home /srv/a requests",
  );
});

test("a hint is typed as it stands where there are several agents, or another home, in words and in JSON", async () => {
  const world = await createWorld();
  await world.register("alice");
  const show = (...words: string[]) => world.cli([...words, "requests", "show", "nobody"]);
  expect((await show()).stderr).toContain("Hint: aimessage requests lists");
  await world.register("bob");
  expect((await show("-u", "alice")).stderr).toContain("Hint: aimessage -u alice requests lists");
  const named = await world.cli("requests show nobody", { env: { AIMESSAGE_USERNAME: "bob" } });
  expect(named.stderr).toContain("Hint: aimessage -u bob requests lists");
  const { stderr } = await show("--home", world.home, "-u", "alice", "--json");
  expect(JSON.parse(stderr)).toMatchObject({ hint: expect.stringContaining(`--home '${world.home}' requests`) });
});
