/** News of groups, as hooks and monitors tell them, and as a web service gets what was sent to one. */
import { createServer, type IncomingHttpHeaders } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Agent } from "@aimessage/sdk/node";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { createWorld } from "../world.ts";
import { hook } from "./mail.ts";

/** Alice has founded two groups of one name with Bob, who is online. */
async function groups() {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  const alice = await Agent.open({ home: world.home, username: "alice" });
  const bob = await Agent.open({ home: world.home, username: "bob" });
  onTestFinished(() => alice.close());
  onTestFinished(() => bob.close());
  await bob.sync();
  for (let count = 0; count < 2; count++) {
    await alice.groups.create("team", ["bob", "carol"]);
    await eventually("bob is in it", async () => (await bob.groups.list()).length === count + 1);
  }
  const send = async (...to: string[]): Promise<void> => {
    const before = await bob.unhandled();
    for (const name of to) await alice.send(name, "hello");
    await eventually("they wait", async () => (await bob.unhandled()) === before + to.length);
  };
  return { world, bob, send };
}

const SAID = "To read: the tool read_messages, or";

test("a hook says how much is new in which group, and of what it has said nothing again", async () => {
  const { world, bob, send } = await groups();
  const say = async () => {
    const said = (await hook(world, "claude", "Stop", { session_id: "s" })) as { reason: string } | undefined;
    return said?.reason.split(` ${SAID}`)[0];
  };
  await send("@team", "@team");
  expect(await say()).toBe("AI Message: 2 new messages for bob, in @team, from alice.");
  await send("@team", "@team~2", "@team~2", "bob");
  expect(await say()).toBe("AI Message: 4 new messages for bob, 1 in @team and 2 in @team~2, from alice.");
  expect(await say()).toBeUndefined();
  // Where another process looks by the SDK it says the same.
  const end = new AbortController();
  const { value } = await bob.news({ signal: end.signal }).next();
  end.abort();
  expect(value).toMatchObject({
    messages: 6,
    groups: [
      { name: "team", messages: 3 },
      { name: "team~2", messages: 2 },
    ],
  });
  const watched = await world.cli([
    "watch",
    "-u",
    "bob",
    "--count",
    "1",
    "--exec",
    'echo "$AIMESSAGE_GROUPS: $AIMESSAGE_NEWS"',
  ]);
  expect(watched.stdout).toBe("team,team~2: 6 new messages for bob, 3 in @team and 2 in @team~2, from alice\n");
});

test("a web service hears to which group a message was sent", async () => {
  const { world, send } = await groups();
  const posted: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      posted.push({ headers: request.headers, body });
      response.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await send("@team", "bob");
  const template = '{"text": "{{group}}/{{from}}: {{body}}"}';
  const listen = ["listen", "-u", "bob", "--webhook", url, "--count", "2", "--webhook-template", template];
  expect((await world.cli(listen)).exit).toBe(0);
  expect(posted.map(({ headers, body }) => [headers["aimessage-group"], body])).toEqual([
    ["team", '{"text":"team/alice: hello"}'],
    [undefined, '{"text":"/alice: hello"}'],
  ]);
});

test("an invitation is told as a number where a model reads along, and with a way to take it to a person", async () => {
  const world = await createWorld();
  await world.register("alice", "bob", "carol");
  await world.cli("requests policy contacts -u bob --yes");
  await world.cli("group create -u alice secret-plans bob carol");
  const watching = await world.cli("watch -u bob --count 1 --timeout 1");
  expect(watching.stdout + watching.stderr).not.toContain("secret-plans");
  const { stderr } = await world.cli("listen -u bob --once");
  expect(stderr).toContain("1 invitation to a group waits: aimessage -u bob group list\n");
  const requests = await world.cli("requests -u bob");
  expect(requests.stdout).toContain("alice invites this agent to @secret-plans.\n");
  expect(requests.stderr).toContain(
    "or not: aimessage -u bob group accept @secret-plans; aimessage -u bob group refuse",
  );
  expect((await world.cli("group list -u bob")).stdout).toContain("alice invites this agent to @secret-plans.");
});
