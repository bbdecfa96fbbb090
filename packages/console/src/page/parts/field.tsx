import type { Signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";

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

/** Fields and the buttons that belong to them, in a row. */
export function Fields({ label, children }: { label?: string; children: ComponentChildren }): JSX.Element {
  return (
    <form class="row" aria-label={label} onSubmit={(event) => event.preventDefault()}>
      {children}
    </form>
  );
}
