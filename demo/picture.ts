/** A recording of a terminal (asciicast v2) as a picture that plays it once, and then stays as it was at the end. */
import headless from "@xterm/headless";

type Terminal = InstanceType<typeof headless.Terminal>;
type Cell = NonNullable<ReturnType<NonNullable<ReturnType<Terminal["buffer"]["active"]["getLine"]>>["getCell"]>>;

/** Pixels of a character cell, and around all of them. */
const WIDTH = 8;
const HEIGHT = 18;
const MARGIN = 16;
/** By the numbers of the terminal's palette. */
const COLOURS: Record<number, string> = { 1: "#ff7b72", 2: "#7ee787", 3: "#e3b341", 6: "#79c0ff" };
const STYLE = `text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre;animation:a 1ms both}
@keyframes a{from{visibility:hidden}to{visibility:visible}}
@media(prefers-reduced-motion:reduce){text{animation:none}}`;

/** Cells of a row that look alike and have come at the same time. */
interface Run {
  x: number;
  y: number;
  text: string;
  style: string;
  at: number;
}

export async function pictureOf(cast: string): Promise<string> {
  const [first = "", ...rest] = cast.trimEnd().split("\n");
  const header = JSON.parse(first) as { width: number; height: number; title: string; idle_time_limit: number };
  const { width, height, title } = header;
  const terminal = new headless.Terminal({ cols: width, rows: height, allowProposedApi: true });
  /** When each cell became what it is. */
  const since = new Map<string, { look: string; at: number }>();
  let [now, before] = [0, 0];
  for (const line of rest) {
    const [at, , text] = JSON.parse(line) as [number, string, string];
    now += Math.min(at - before, header.idle_time_limit);
    before = at;
    await new Promise<void>((resolve) => terminal.write(text, resolve));
    eachCell(terminal, (x, y, cell) => {
      const look = cell.getChars() + styleOf(cell);
      if (since.get(`${x} ${y}`)?.look !== look) since.set(`${x} ${y}`, { look, at: now });
    });
  }
  const runs: Run[] = [];
  eachCell(terminal, (x, y, cell) => {
    const [style, at] = [styleOf(cell), since.get(`${x} ${y}`)?.at ?? 0];
    const last = runs.at(-1);
    if (last?.y === y && last.style === style && last.at === at) last.text += cell.getChars() || " ";
    else runs.push({ x, y, text: cell.getChars() || " ", style, at });
  });
  const size = [width * WIDTH + 2 * MARGIN, height * HEIGHT + 2 * MARGIN];
  return `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 ${size.join(" ")}" width="${size[0]}" height="${size[1]}" role="img" aria-label="${escaped(title)}">
<style>${STYLE}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${runs
  .filter(({ text }) => text.trim() !== "")
  .map(written)
  .join("\n")}
</svg>
`;
}

function eachCell(terminal: Terminal, use: (x: number, y: number, cell: Cell) => void): void {
  const { active } = terminal.buffer;
  for (let y = 0; y < terminal.rows; y++)
    for (let x = 0; x < terminal.cols; x++) {
      const cell = active.getLine(active.baseY + y)?.getCell(x);
      if (cell !== undefined) use(x, y, cell);
    }
}

function styleOf(cell: Cell): string {
  const colour = cell.isFgPalette() ? COLOURS[cell.getFgColor()] : undefined;
  return [
    ...(colour === undefined ? [] : [`fill:${colour}`]),
    ...(cell.isBold() === 0 ? [] : ["font-weight:bold"]),
    ...(cell.isDim() === 0 ? [] : ["opacity:.6"]),
  ].join(";");
}

function written({ x, y, text, style, at }: Run): string {
  const cut = text.trim();
  const left = x + text.length - text.trimStart().length;
  const place = `x="${MARGIN + left * WIDTH}" y="${MARGIN + y * HEIGHT + 14}" textLength="${cut.length * WIDTH}"`;
  return `<text ${place} style="animation-delay:${at.toFixed(2)}s${style === "" ? "" : `;${style}`}">${escaped(cut)}</text>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
