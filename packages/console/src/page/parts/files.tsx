/** Files of a message, and how one is given to the browser. */
import type { JSX } from "preact";
import type { FileView, LineView } from "../../back/port.ts";
import { back } from "../state.ts";
import { ActButton } from "./act-button.tsx";
import { FILE_STATES, size, visible } from "./words.ts";

export function Files({ line, agent }: { line: LineView; agent: string }): JSX.Element | null {
  if (line.files.length === 0) return null;
  return (
    <ul class="files">
      {line.files.map((file, index) => (
        <li key={index}>
          <FileLabel file={file} />
          {line.kind === "came" && (
            <ActButton
              quiet
              label={`Save ${visible(file.name)}`}
              act={async () => {
                const blob = await back.value?.file({ agent, id: line.id, index });
                if (blob !== undefined) download(blob, file.name);
              }}
            >
              Save
            </ActButton>
          )}
        </li>
      ))}
    </ul>
  );
}

export function FileLabel({ file: { name, bytes, state, done, reason } }: { file: FileView }): JSX.Element {
  const far = bytes > 0 ? `${Math.floor((100 * (done ?? 0)) / bytes)} % sent` : "";
  const word = state === "waits" ? far : (FILE_STATES[state ?? ""] ?? state);
  return (
    <span>
      <bdi>{visible(name)}</bdi> (
      {[size(bytes), word, reason].filter((part) => part !== undefined && part !== "").join(", ")})
    </span>
  );
}

/** Gives a file to the browser, under a name that is only a name. */
export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = visible(name).replaceAll(/[/\\]/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
