/** The steps of the demo, each with what it promises. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { note, ok, output, title } from "./screen.ts";
import { type Actor, expectThat, Failed, type Stage } from "./stage.ts";
import { States } from "./states.ts";

const GREETING = "Hello bob";
const WHILE_ASLEEP = ["Second message, you are asleep", "Third message, still asleep"];
const QUESTION = "how many words are these";
const ERRAND = "fly to the moon";
const EXCUSE = "I count words, I fly nowhere";

/** @returns 0, the exit code. @throws Failed */
export async function play(stage: Stage): Promise<number> {
  const relay = await startRelay(stage);
  const states = await introduce(stage, relay.server);
  await toOneWhoListens(stage, states);
  await toOneWhoSleeps(stage, states);
  await toCommands(stage, states);
  lookForTexts(stage, relay.log);
  return 0;
}

async function startRelay(stage: Stage): Promise<{ log: Actor; server: string }> {
  title("A relay");
  const log = stage.start("aimessage-server", ["--port", process.env["PORT"] || "0", "--db", "data"]);
  const said = (what: string) =>
    log.until("the relay did not start", (lines) => lines.find((line) => line.startsWith(what))?.slice(what.length));
  const server = await said("WebSocket endpoint: ");
  const health = await (await fetch(await said("Health check: "))).text();
  if (!health.includes('"status":"ok"')) throw new Failed(`the relay is not healthy: ${health}`);
  ok(`it answers ${health}`);
  return { log, server };
}

/** Two agents that know each other. @returns what the first of them hears of its messages */
async function introduce(stage: Stage, server: string): Promise<States> {
  title("Two agents");
  const prints: Record<string, string> = {};
  for (const name of ["alice", "bob"]) {
    const said = await stage.run("register", "-u", name, "-s", server);
    prints[name] = /^Fingerprint: (.*)$/m.exec(said)?.[1] ?? "";
    output(said.split("\n")[0] ?? "");
  }
  const states = new States(stage.start("aimessage", ["-u", "alice", "status", "--follow", "--json"]));
  for (const [name, other] of [
    ["alice", "bob"],
    ["bob", "alice"],
  ] as const) {
    const said = await stage.run("-u", name, "verify", other, prints[other] ?? "");
    expectThat(said === `${other} is verified.`, said);
    output(said);
  }
  ok("their private keys were made here and stay here");
  return states;
}

async function toOneWhoListens(stage: Stage, states: States): Promise<void> {
  title("A message to bob, who listens");
  const bob = stage.start("aimessage", ["-u", "bob", "listen"]);
  await online(stage, "bob");
  const sent = await send(stage, states, GREETING, "delivered");
  await states.follow(sent, "handled");
  const shown = await bob.until("bob has not printed it", (lines) => lines[0]);
  expectThat(/^\[[0-9:]{8}\] alice: Hello bob$/.test(shown), shown);
  note(`bob's terminal: ${shown}`);
  const users = await stage.run("-u", "alice", "users");
  expectThat(users.split("\n").includes("- bob"), users);
  output(users.replace("\n", " "));
  await bob.end();
}

async function toOneWhoSleeps(stage: Stage, states: States): Promise<void> {
  title("Two messages to bob, who sleeps, and wakes");
  const sent: string[] = [];
  for (const text of WHILE_ASLEEP) {
    const id = await send(stage, states, text, "stored for offline delivery");
    await states.follow(id, "stored");
    sent.push(id);
  }
  const heard = await stage.run("-u", "bob", "listen", "--count", "2", "--timeout", "10s", "--quiet");
  output(heard);
  const lines = heard.split("\n").map((line) => line.replace(/\d\d:\d\d:\d\d/, "TIME"));
  expectThat(lines.join() === WHILE_ASLEEP.map((text) => `[OFFLINE TIME] alice: ${text}`).join(), heard);
  for (const id of sent) await states.follow(id, "handled");
  ok("both arrived, in order");
}

/** A question that a command answers, and a message that it refuses. */
async function toCommands(stage: Stage, states: States): Promise<void> {
  title("A question, answered by a command");
  const bob = stage.start("aimessage", ["-u", "bob", "listen", "--exec", "node assistant.mts", "--reply"]);
  const reply = await stage.run("-u", "alice", "ask", "-t", "bob", "-m", QUESTION, "--timeout", "15s");
  output(reply);
  expectThat(reply === "5", reply);
  ok("the reply is what the command printed");

  title("A message that fails, and says why");
  const sent = await send(stage, states, ERRAND, "delivered");
  const reason = await states.follow(sent, "failed");
  expectThat(reason.startsWith(EXCUSE), reason);
  await bob.end();
}

/** No text of a message may stand in what the relay has written. */
function lookForTexts(stage: Stage, log: Actor): void {
  title("What the relay knows");
  const texts = [GREETING, ...WHILE_ASLEEP, QUESTION, ERRAND, EXCUSE];
  const folder = join(stage.folder, "data");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expectThat(files.length > 0, "the relay has no database");
  const written = [log.said, ...files.map(({ parentPath, name }) => readFileSync(join(parentPath, name)))];
  const found = texts.filter((text) => written.some((bytes) => bytes.includes(text)));
  if (found.length > 0) throw new Failed(`the relay has seen: ${found.join(", ")}`);
  ok(`none of these ${texts.length} texts is in its ${files.length} files, nor in its log`);
}

/** Sends from alice to bob. @returns the message's id */
async function send(stage: Stage, states: States, text: string, reached: string): Promise<string> {
  const before = states.known;
  const said = await stage.run("-u", "alice", "send", "-t", "bob", "-m", text);
  expectThat(said === `Message sent to bob (${reached})`, said);
  output(said);
  return states.newSince(before);
}

async function online(stage: Stage, name: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++)
    if ((await stage.look("-u", "alice", "users")).split("\n").includes(`- ${name}`)) return;
  throw new Failed(`${name} did not come online`);
}
