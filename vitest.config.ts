import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

const IN_BROWSERS = "packages/*/test/browser/**/*.test.ts";

/** What all tests of a kind have in common. */
function project(name: string, test: TestProjectInlineConfiguration["test"]): TestProjectInlineConfiguration {
  return {
    resolve: { conditions: ["@aimessage/source"] },
    ssr: { resolve: { conditions: ["@aimessage/source"] } },
    test: {
      name,
      // Test files share processes, and what they load: a third of the time was loading. Whatever a test changes of its process it puts back.
      isolate: false,
      testTimeout: 60_000,
      hookTimeout: 60_000,
      // A machine that is shared may stand still for seconds: what fails there is tried once more, which the report says.
      retry: process.env["CI"] === undefined ? 0 : 1,
      ...test,
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      project("node", {
        include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts", "lab/**/*.test.ts"],
        exclude: [IN_BROWSERS],
        globalSetup: ["test/memory-disk.ts", "test/shared-postgres.ts"],
      }),
      project("browser", { include: [IN_BROWSERS], globalSetup: ["test/chromium.ts"] }),
    ],
    // Much of a test is waiting for something, so there may be more of them than cores; many more make time-outs likelier.
    maxWorkers: 4,
    tags: [
      {
        name: "long",
        description: "takes many seconds, of processes, faults or time-outs: npm run test:long",
        timeout: 180_000,
      },
    ],
  },
});
