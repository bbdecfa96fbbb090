/** Files from one agent to another. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { FileWorld, next, sha256 } from "./world.ts";

test("files come with their message, equal, and are gone from the relay when all are fetched", async () => {
  await using world = await FileWorld.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const paths = [world.file("report.pdf", 3_000_000), world.file("empty", 0), world.file("Bericht (ä).txt", "Grüße")];
  const sent = await alice.send("bob", "numbers", { files: paths });
  const message = await next(bob);
  expect(message.body).toBe("numbers");
  expect(message.files).toMatchObject([
    { name: "report.pdf", bytes: 3_000_000, sha256: sha256(readFileSync(paths[0]!)) },
    { name: "empty", bytes: 0 },
    { name: "Bericht (ä).txt", bytes: 7 },
  ]);
  expect(world.blobs.length).toBe(3);
  for (const [index, file] of message.files.entries()) {
    const path = await file.save(world.path("in"));
    expect(readFileSync(path).equals(readFileSync(paths[index]!))).toBe(true);
  }
  expect(readdirSync(world.path("in")).toSorted()).toEqual(["Bericht (ä).txt", "empty", "report.pdf"]);
  await message.handled();
  await sent.handled();
  await eventually("the relay keeps none of them", () => world.blobs.length === 0);
  // What is there is not fetched again.
  expect(await message.files[0]!.save(world.path("in"))).toBe(world.path("in", "report.pdf"));
});
