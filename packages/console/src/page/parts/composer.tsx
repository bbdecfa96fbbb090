/** What is typed, with its files, and to whom it goes. */
import { useSignal } from "@preact/signals";
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { LineView } from "../../back/port.ts";
import { attempt, back } from "../state.ts";
import { size, visible } from "./words.ts";

interface Props {
  agent: string;
  to: string;
  /** The message that it answers. */
  answers: LineView | undefined;
  /** @param sent The id of what was sent, if something was */
  onDone: (sent?: string) => void;
}

/** What was begun and not sent, by agent and recipient: another look must not lose it. */
const drafts = new Map<string, { text: string; files: File[] }>();

export function Composer({ agent, to, answers, onDone }: Props): JSX.Element {
  const key = `${agent} ${to}`;
  const draft = drafts.get(key);
  const text = useSignal(draft?.text ?? "");
  const files = useSignal<File[]>(draft?.files ?? []);
  const asks = useSignal(false);
  const isSending = useSignal(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const shown = useRef(key);
  shown.current = key;
  useEffect(() => {
    text.value = drafts.get(key)?.text ?? "";
    files.value = drafts.get(key)?.files ?? [];
    asks.value = false;
  }, [key]);
  const keep = (): void => void drafts.set(key, { text: text.value, files: files.value });
  useEffect(() => {
    if (answers !== undefined) field.current?.focus();
  }, [answers?.id]);
  const send = async (): Promise<void> => {
    const from = back.value;
    if (isSending.value || from === undefined || (text.value === "" && files.value.length === 0)) return;
    isSending.value = true;
    const [body, chosen] = [text.value, files.value];
    const given = chosen.map((file) => ({ name: file.name, type: file.type, blob: file }));
    const sent = await attempt(() =>
      answers === undefined
        ? from.call("send", { agent, to, body, ...(asks.value ? { asks: true } : {}) }, given)
        : from.call("reply", { agent, id: answers.id, body }, given),
    );
    isSending.value = false;
    if (sent === undefined) return;
    // Whatever was typed meanwhile, or in another conversation, stays.
    const { text: typed = "", files: left = [] } = drafts.get(key) ?? {};
    const next = { text: typed === body ? "" : typed, files: left.filter((file) => !chosen.includes(file)) };
    drafts.set(key, next);
    if (shown.current !== key) return;
    text.value = next.text;
    files.value = next.files;
    asks.value = false;
    onDone(sent.id);
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.key === "Escape") {
      onDone();
      event.currentTarget.blur();
    }
    // While a word is composed, as in Japanese, Enter belongs to that.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void send();
  };
  return (
    <form
      class="composer"
      aria-label={`Write to ${to}`}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        files.value = [...files.value, ...(event.dataTransfer?.files ?? [])];
        keep();
      }}
    >
      {answers !== undefined && (
        <p class="answers">
          Reply to: <bdi>{answers.body.slice(0, 120)}</bdi>
          <button type="button" class="quiet" onClick={() => onDone()}>
            Not a reply
          </button>
        </p>
      )}
      <textarea
        ref={field}
        id="write"
        rows={2}
        dir="auto"
        aria-label={answers === undefined ? `Message to ${to}` : `Reply to ${to}`}
        placeholder={`As ${agent} to ${to}. Enter sends, Shift+Enter is a new line.`}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          keep();
        }}
        onKeyDown={onKeyDown}
      />
      {files.value.length > 0 && (
        <ul class="files">
          {files.value.map((file, at) => (
            <li key={at}>
              <bdi>{visible(file.name)}</bdi> ({size(file.size)})
              <button
                type="button"
                class="quiet"
                aria-label={`Leave out: ${visible(file.name)}`}
                onClick={() => {
                  files.value = files.value.filter((other) => other !== file);
                  keep();
                }}
              >
                Leave out
              </button>
            </li>
          ))}
        </ul>
      )}
      <div class="row">
        <button type="submit" disabled={isSending.value}>
          {isSending.value ? "Sending" : "Send"}
        </button>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            files.value = [...files.value, ...(event.currentTarget.files ?? [])];
            keep();
            event.currentTarget.value = "";
          }}
        />
        <button type="button" class="quiet" onClick={() => picker.current?.click()}>
          Add files
        </button>
        {answers === undefined && (
          <label class="check">
            <input
              type="checkbox"
              checked={asks.value}
              onChange={(event) => (asks.value = event.currentTarget.checked)}
            />
            ask for a reply
          </label>
        )}
      </div>
    </form>
  );
}
