import { Client } from "pg";
import { vi } from "vitest";

/** Does something, and notes every statement that any connection of this process prepares meanwhile. */
export async function notingStatements(texts: Set<string>, act: () => Promise<void>): Promise<void> {
  // oxlint-disable-next-line typescript/unbound-method
  const { query } = Client.prototype as { query: (...asked: unknown[]) => unknown };
  const spy = vi.spyOn(Client.prototype, "query").mockImplementation(function (this: Client, ...asked: unknown[]) {
    const [first] = asked;
    if (typeof first === "object" && first !== null && "name" in first && "text" in first)
      texts.add(String(first.text));
    return query.apply(this, asked);
  });
  try {
    await act();
  } finally {
    spy.mockRestore();
  }
}
