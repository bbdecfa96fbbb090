/** The steps of the demo, each with what it promises. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Host } from "./host.ts";
import { note, ok, output, title } from "./screen.ts";
import { type Actor, expectThat, Failed, type Stage } from "./stage.ts";
import { States } from "./states.ts";

const GREETING = "Hello bob";
const WHILE_ASLEEP = ["Second message, you are asleep", "Third message, still asleep"];
const FILE = "takeover-plan.csv";
const FOR_THE_FILE = "for your eyes";
const QUESTION = "how many words are these";
const ERRAND = "fly to the moon";
const RIDDLE = "are you awake";
const SOLUTION = "since you asked";
const GROUP = "moonshot";
const TO_ALL = "countdown begins";
const WITHOUT_CAROL = "carol stays on earth";
const EXCUSE = "I count words, I fly nowhere";

/** @returns 0, the exit code. @throws Failed */
export async function play(stage: Stage): Promise<number> {
  const relay = await startRelay(stage);
  const code = await pair(stage, relay.server);
  const states = new States(stage.start("aimessage", ["-u", "alice", "status", "--follow", "--json"]));
  await toOneWhoListens(stage, states);
  await toOneWhoSleeps(stage, states);
  const line = await aFile(stage, states, relay.log);
  await toCommands(stage, states);
  await toAnAssistant(stage);
  await toAGroup(stage, relay.server);
  const said = [GROUP, TO_ALL, WITHOUT_CAROL];
  const texts = [
    ...said,
    GREETING,
    ...WHILE_ASLEEP,
    FOR_THE_FILE,
    FILE,
    line,
    QUESTION,
    ERRAND,
    EXCUSE,
    RIDDLE,
    SOLUTION,
  ];
  lookFor([code, ...texts], stage, relay.log);
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

/** @returns the code of the line by which two agents have paired */
async function pair(stage: Stage, server: string): Promise<string> {
  title("Two agents, paired by a line that one gives the other");
  const said = await stage.run("register", "-u", "bob", "-s", server);
  expectThat(said.startsWith("Registration successful!"), said);
  output("Registration successful!");
  const bob = stage.start("aimessage", ["-u", "bob", "pair", "--for", "alice"]);
  const line = await bob.until("there is no line", (lines) => lines[0]);
  expectThat(line.startsWith("aimessage:bob@"), line);
  output(line);
  // She is registered by it, too: the line names the relay.
  const [seen] = (await stage.runOn(line, "-u", "alice", "pair", "--line", "-", "--yes")).split("\n");
  expectThat(seen?.startsWith("bob is verified.") === true, seen ?? "");
  output("bob is verified.");
  const heard = await bob.until("bob's side is not paired", (lines) => lines[1]);
  expectThat(heard.startsWith("alice is verified."), heard);
  note("bob's terminal: alice is verified.");
  ok("the private keys were made here and stay here; the line is used up");
  return line.split("/").at(1) ?? line;
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

/** A file to somebody who sleeps: until he wakes it lies at the relay. @returns a line of it */
async function aFile(stage: Stage, states: States, log: Actor): Promise<string> {
  title("A file to bob, which the relay keeps until he wakes");
  const lines = Array.from({ length: 20_000 }, () => `${randomBytes(15).toString("hex")}\n`);
  const [line = ""] = lines;
  const path = join(stage.folder, FILE);
  writeFileSync(path, lines.join(""));
  const before = states.known;
  const said = await stage.run("-u", "alice", "send", "-t", "bob", "-f", FILE, "-m", FOR_THE_FILE);
  expectThat(said.startsWith("Message sent to bob (stored for offline delivery)\n"), said);
  output(said);
  const sent = await states.newSince(before);
  await states.follow(sent, "stored");
  const written = writtenBy(stage, log);
  const kept = written.find(({ folder }) => basename(dirname(folder)) === "blobs")?.bytes.length ?? 0;
  expectThat(kept > readFileSync(path).length, `the relay keeps ${kept} bytes`);
  expectThat(!written.some(({ bytes }) => bytes.includes(FILE) || bytes.includes(line)), "the relay can read the file");
  ok(`the relay keeps ${kept} bytes, and on its disk no name and no line of it`);
  const heard = await stage.run("-u", "bob", "listen", "--count", "1", "--save-dir", "in", "--quiet");
  output(heard);
  expectThat(heard.endsWith(`] alice: ${FOR_THE_FILE} [in/${FILE} 605 KiB]`), heard);
  await states.follow(sent, "handled");
  expectThat(readFileSync(join(stage.folder, "in", FILE)).equals(readFileSync(path)), "the file is another one");
  ok("bob's file is alice's, byte for byte");
  return line;
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

/** A question that an assistant reads and answers by tools, as its host calls them. */
async function toAnAssistant(stage: Stage): Promise<void> {
  title("A question, answered by an assistant over MCP");
  const server = stage.start("aimessage", ["-u", "bob", "mcp"]);
  const host = new Host(server);
  await host.begin();
  const answering = async () => {
    const message = await host.read();
    expectThat(message.from === "alice", JSON.stringify(message));
    await host.reply(message, SOLUTION);
  };
  const [reply] = await Promise.all([
    stage.run("-u", "alice", "ask", "-t", "bob", "-m", RIDDLE, "--timeout", "15s"),
    answering(),
  ]);
  output(reply);
  expectThat(reply === SOLUTION, reply);
  ok("the reply is what the assistant wrote");
  await server.end();
}

/** Three of them in a group: one message for all, which is encrypted once, and one that is not for whoever was removed. */
async function toAGroup(stage: Stage, server: string): Promise<void> {
  title("A message to a group of three, and to those who are left of it");
  output((await stage.run("register", "-u", "carol", "-s", server)).split("\n")[0] ?? "");
  const made = await stage.run("-u", "alice", "group", "create", GROUP, "bob", "carol");
  expectThat(made === `@${GROUP} created: 3 members`, made);
  output(made);
  const members = ["bob", "carol"].map((name) => stage.start("aimessage", ["-u", name, "listen"]));
  await sendToAll(stage, TO_ALL);
  for (const member of members) {
    const shown = await member.until("a member has not printed it", (lines) => lines[0]);
    expectThat(/^\[(OFFLINE )?[0-9:]{8}\] @moonshot alice: countdown begins$/.test(shown), shown);
  }
  note(`bob's terminal, and carol's: @${GROUP} alice: ${TO_ALL}`);
  output(await stage.run("-u", "alice", "group", "remove", `@${GROUP}`, "carol"));
  await sendToAll(stage, WITHOUT_CAROL);
  await members[0]?.until("bob has not printed it", (lines) => lines[1]);
  expectThat(members[1]?.lines.length === 1, members[1]?.said ?? "");
  ok("bob has it, and carol, who was removed, has not");
  for (const member of members) await member.end();
}

/** Sends to the group, and waits until all have handled it. */
async function sendToAll(stage: Stage, text: string): Promise<void> {
  const said = await stage.run("-u", "alice", "send", "-t", `@${GROUP}`, "-m", text, "--wait", "handled");
  expectThat(said === `Message sent to @${GROUP} (handled)`, said);
  output(said);
}

/** Nothing of this, a code and texts, may stand in what the relay has written. */
function lookFor(texts: readonly string[], stage: Stage, log: Actor): void {
  title("What the relay knows");
  const written = writtenBy(stage, log);
  const found = texts.filter((text) => written.some(({ bytes }) => bytes.includes(text)));
  if (found.length > 0) throw new Failed(`the relay has seen: ${found.join(", ")}`);
  const files = written.length - 1;
  ok(`neither the line's code nor one of ${texts.length - 1} texts is in its ${files} files and its log`);
}

/** What the relay has written: its log, and its files. */
function writtenBy(stage: Stage, log: Actor): { folder: string; bytes: Buffer }[] {
  const folder = join(stage.folder, "data");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expectThat(files.length > 0, "the relay has no database");
  return [
    { folder: "", bytes: Buffer.from(log.said) },
    ...files.map(({ parentPath, name }) => ({ folder: parentPath, bytes: readFileSync(join(parentPath, name)) })),
  ];
}

/** Sends from alice to bob. @returns the message's id */
async function send(stage: Stage, states: States, text: string, reached: string): Promise<string> {
  const before = states.known;
  const said = await stage.run("-u", "alice", "send", "-t", "bob", "-m", text);
  expectThat(said.startsWith(`Message sent to bob (${reached})\n`), said);
  output(said);
  return states.newSince(before);
}

async function online(stage: Stage, name: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++)
    if ((await stage.look("-u", "alice", "users")).split("\n").includes(`- ${name}`)) return;
  throw new Failed(`${name} did not come online`);
}
