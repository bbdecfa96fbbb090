import type { Signal } from "@preact/signals";
import type { ComponentChildren, JSX, TargetedKeyboardEvent } from "preact";

interface Props {
  /** For those who do not see what stands around it. */
  label: string;
  /** Its text. */
  of: Signal<string>;
  placeholder?: string;
  dir?: "auto";
  type?: "password";
  autocomplete?: "new-password" | "current-password";
}

export function Field({ label, of, ...more }: Props): JSX.Element {
  return (
    <input aria-label={label} value={of.value} onInput={(event) => (of.value = event.currentTarget.value)} {...more} />
  );
}

/** Fields and the buttons that belong to them, in a row. Enter does what the first button does. */
export function Fields({ label, children }: { label?: string; children: ComponentChildren }): JSX.Element {
  return (
    <form class="row" aria-label={label} onSubmit={(event) => event.preventDefault()} onKeyDown={onKeyDown}>
      {children}
    </form>
  );
}

function onKeyDown(event: TargetedKeyboardEvent<HTMLFormElement>): void {
  const isTyped = event.target instanceof HTMLInputElement && event.target.type !== "file";
  if (event.key !== "Enter" || event.isComposing || !isTyped) return;
  event.preventDefault();
  event.currentTarget.querySelector("button")?.click();
}
