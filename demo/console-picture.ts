/** The picture of the console in README.md: a real one, of agents that have just talked. `npm run demo:console` */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConsoleWorld, goTo } from "../packages/console/test/browser/world.ts";

const TO = fileURLToPath(new URL("../docs/console.png", import.meta.url));

await using world = await ConsoleWorld.create();
const bob = await world.other("bob");
const report = join(world.folder, "report.pdf");
writeFileSync(report, new Uint8Array(84_000));
await world.own("alice", async (alice) => {
  void bob.handle(async (message) => message.handled());
  await alice.groups.create("release", ["bob"]);
  await (await alice.send("@release", "1.4 goes out at noon, if nobody objects.", { byPerson: true })).handled();
  await (await alice.send("bob", "Please run the migration on the staging data first.", { byPerson: true })).handled();
});
await world.own("ops-agent", async (agent) => {
  await agent.requests.setPolicy("contacts");
  await (await bob.send("ops-agent", "May I read the logs of last night?")).stored();
});
const page = await world.open();
await goTo(page, "alice", "talk", "bob");
const alice = await world.beside("alice");
await alice.verify("bob", bob.fingerprint);
await bob.send("alice", "Done: 48,112 rows in 94 s, no errors. The report is attached.", { files: [report] });
await page.getByText("report.pdf").waitFor();
await bob.question("alice", "Two rows have no owner. Drop them, or keep them for you to look at?");
await page.getByText("Two rows have no owner").waitFor();
await page.getByText("to decide").waitFor();
await page.setViewportSize({ width: 1080, height: 560 });
await page.screenshot({ path: TO });
console.log(TO);
