/** Files that a person sends to a group. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fileWorld } from "./world.ts";

test("a file goes to all of a group, is saved by each, and its sender is told who has it", async () => {
  const world = await fileWorld();
  await world.register("carol");
  const report = world.file("report.pdf", 1_500_000);
  expect(await world.cli("group create -u alice team bob carol")).toMatchObject({ exit: 0 });
  const sent = await world.cli("send -u alice -t @team -f report.pdf -m numbers");
  expect(sent).toMatchObject({ exit: 0, stderr: "report.pdf 1.4 MiB sent\n" });
  const outbox = await world.cli("outbox list -u alice --all --json");
  const [{ message_id: id }] = (JSON.parse(outbox.stdout) as { messages: [{ message_id: string }] }).messages;
  const heard = await world.cli("listen -u bob --count 1 --save-dir bob");
  expect(heard.stdout).toMatch(/@team alice: numbers \[bob\/report\.pdf 1\.4 MiB\]/);
  expect((await world.cli(`status -u alice ${id}`)).stdout).toMatch(/^Files: +report\.pdf 1\.4 MiB, fetched by 1\/2$/m);
  await world.cli("listen -u carol --count 1");
  const inbox = JSON.parse((await world.cli("inbox -u carol --json")).stdout) as { messages: { message_id: string }[] };
  const saved = await world.cli(["inbox", "-u", "carol", "save", inbox.messages[0]!.message_id, "--dir", "carol"]);
  expect(saved).toMatchObject({ exit: 0 });
  for (const name of ["bob", "carol"])
    expect(readFileSync(`${world.cwd}/${name}/report.pdf`).equals(readFileSync(report))).toBe(true);
  const status = await world.cli(`status -u alice ${id}`);
  expect(status.stdout).toMatch(/^Files: +report\.pdf 1\.4 MiB, fetched by 2\/2$/m);
  const json = JSON.parse((await world.cli(`status -u alice ${id} --json`)).stdout) as object;
  expect(json).toMatchObject({
    files: [{ name: "report.pdf", state: "fetched", fetched: 2 }],
    recipients: { fetched: ["bob", "carol"], unfetched: [] },
  });
});

test("a group is asked with a file, and whoever answers first has answered, with another one", async () => {
  const world = await fileWorld();
  await world.register("carol");
  world.file("why.txt", "because");
  expect(await world.cli("group create -u alice team bob carol")).toMatchObject({ exit: 0 });
  const asked = world.cli("-u alice ask -t @team -f why.txt -m why? --json");
  const id = await world.newest();
  const answer = await world.cli(["-u", "bob", "reply", id, "-f", "why.txt", "-m", "therefore"]);
  expect(answer).toMatchObject({ exit: 0, stderr: "why.txt 7 B sent\n" });
  expect(JSON.parse((await asked).stdout)).toMatchObject({
    from: "bob",
    group: "team",
    body: "therefore",
    files: [{ name: "why.txt", bytes: 7 }],
  });
  expect(JSON.parse((await world.cli("-u alice asks --all --json")).stdout)).toMatchObject({
    questions: [{ to: "@team", state: "taken" }],
  });
});
