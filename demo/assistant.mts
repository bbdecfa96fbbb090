/** A command that handles messages, for `aimessage listen --exec`: the message is its input, what it prints is the reply. */
import { text } from "node:stream/consumers";

const asked = await text(process.stdin);
if (asked.startsWith("how many words")) process.stdout.write(`${asked.split(/\s+/).length}\n`);
else {
  process.stderr.write("I count words, I fly nowhere\n");
  process.exitCode = 65; // never: trying again is of no use
}
