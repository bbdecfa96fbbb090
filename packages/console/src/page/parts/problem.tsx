import type { ComponentChildren, JSX } from "preact";
import type { Problem } from "../../back/port.ts";

/** What is wrong, and what to do, in the words of the command line. */
export function ProblemBox({ problem, children }: { problem: Problem; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{problem.message}</strong>
      </p>
      {problem.hint !== undefined && <p>{problem.hint}</p>}
      {children}
    </div>
  );
}
