/** How far files are, as a person sees it. */
import { createOutput } from "@aimessage/sdk/program";
import { expect, test, vi } from "vitest";
import { moveOn } from "../../../../test/clocks.ts";
import { FilesShown } from "../../src/file-progress.ts";
import { Recorder } from "../console.ts";

function shown(stderr: Recorder, { env = {}, quiet = false } = {}) {
  const out = createOutput({ stdout: new Recorder(), stderr }, { json: false, quiet });
  const files = new FilesShown({ out, context: { env } });
  const go = (done: number, more: object = {}): void =>
    files.onProgress({ message: "m", file: 0, name: "report.pdf", direction: "down", bytes: 1_000_000, done, ...more });
  return { out, files, go };
}

const ESC = "\u001b";
const terminal = (columns = 80) => Object.assign(new Recorder(), { isTTY: true, columns });

/** What stands on a terminal at last: it knows no more than to go up and to clear what is below. */
function screen(text: string): string[] {
  const lines: string[] = [];
  for (const part of text.split(new RegExp(`(${ESC}\\[\\d+A\\r${ESC}\\[J|\\n)`))) {
    const [, up] = /\[(\d+)A/.exec(part) ?? [];
    if (up !== undefined) lines.splice(lines.length - Number(up));
    else if (part !== "\n" && part !== "") lines.push(part);
  }
  return lines;
}

test("in a log there is a line each ten seconds, and none with --quiet", () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const [log, quiet] = [new Recorder(), new Recorder()];
  using one = shown(log).files;
  using two = shown(quiet, { quiet: true }).files;
  for (const files of [one, two]) {
    const go = (done: number) =>
      files.onProgress({ message: "m", file: 0, name: "a\u001b[2J", direction: "up", bytes: 1_000_000, done });
    go(0);
    moveOn(4_000);
    go(400_000);
    vi.advanceTimersByTime(1_000);
    moveOn(6_500);
    go(500_000);
    vi.advanceTimersByTime(1_000);
    go(1_000_000);
  }
  vi.useRealTimers();
  expect(log.text).toMatch(/^a\\x1b\[2J 50 %, \d+ KiB\/s, \d+ s left\na\\x1b\[2J 977 KiB sent in 1\d s, \d+ KiB\/s\n$/);
  expect(quiet.text).toBe("");
});

test("on a terminal a bar is drawn over and over, and what is said meanwhile stands above it", () => {
  const stderr = terminal();
  const { out, files, go } = shown(stderr);
  go(0);
  moveOn(1_000);
  go(500_000);
  expect(screen(stderr.text)).toEqual([
    expect.stringMatching(/^report\.pdf {18} \[#{10} {10}\] {2}50 % {2}\d+ KiB\/s {2}1 s left$/),
  ]);
  out.note("something else");
  expect(screen(stderr.text)).toEqual(["something else", expect.stringContaining("50 %")]);
  files.end("m", 0, "sent");
  files[Symbol.dispose]();
  expect(screen(stderr.text)).toEqual(["something else", expect.stringMatching(/^report\.pdf 977 KiB sent in 1 s, /)]);
});

test("a name that is wide, or obeyed by terminals, breaks no line; a terminal that draws nothing is a log", () => {
  const stderr = terminal(40);
  const { files, go } = shown(stderr);
  go(0, { name: `\u{1f469}\u202e\u001b[2J${"報告".repeat(40)}` });
  const [line = ""] = screen(stderr.text);
  for (const character of [ESC, "\u202e"]) expect(line).not.toContain(character);
  expect(Array.from(line).reduce((width, each) => width + (each < "\u1100" ? 1 : 2), 0)).toBeLessThan(40);
  files[Symbol.dispose]();
  const dumb = terminal();
  const log = shown(dumb, { env: { TERM: "dumb" } });
  log.go(500_000);
  log.files[Symbol.dispose]();
  expect(dumb.text).toBe("report.pdf goes on at 50 %\n");
});
