/** What an owner does at the console, in a real browser, with a console that is a process of its own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import type { Agent } from "@aimessage/sdk/node";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasChromium } from "../../../../test/chromium.ts";
import { eventually } from "../../../../test/waiting.ts";
import { ConsoleWorld, goTo } from "./world.ts";

const plain = (text: string): string => text.replaceAll(/\s/g, "");

describe.runIf(hasChromium)("aimessage console", () => {
  let world: ConsoleWorld;
  let page: Page;
  let carol: Agent;

  beforeAll(async () => {
    world = await ConsoleWorld.create();
    await world.own("alice");
    await world.own("bob");
    carol = await world.other("carol");
    page = await world.open();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const line = (text: string) => page.locator(".line", { hasText: text });

  test("a message of another process appears, and what was sent ticks on to handled", async () => {
    await goTo(page, "alice", "talk", "carol");
    const sent = await carol.send("alice", "are you there, alice?");
    await line("are you there, alice?").first().waitFor();
    await page.getByRole("navigation", { name: "Agents" }).getByText("1 unread").waitFor();

    const beside = await world.beside("alice");
    const seen: string[] = [];
    await beside.send("carol", "sent by a command");
    void (async () => {
      for await (const message of carol.messages()) {
        seen.push(message.body);
        await message.handled();
      }
    })();
    await line("sent by a command").locator(".state.handled").waitFor();
    expect(seen).toContain("sent by a command");

    await line("are you there, alice?")
      .getByRole("button", { name: /^Handled/ })
      .click();
    expect((await sent.handled()).state).toBe("handled");
    await line("are you there, alice?").locator(".state.handled").waitFor();
  });

  test("a reply by the keyboard alone reaches the other side as a person's, and handles what it answers", async () => {
    const asked = await carol.question("alice", "which colour?");
    await line("which colour?").waitFor();
    await page.locator("main").focus();
    await page.keyboard.press("k");
    await eventually(
      "the newest message is the current one",
      async () => (await line("which colour?").getAttribute("aria-current")) === "true",
    );
    await page.keyboard.press("r");
    await page.getByRole("textbox", { name: "Reply to carol" }).waitFor();
    await page.keyboard.type("blue");
    await page.keyboard.press("Enter");
    const reply = await asked.reply();
    expect([reply.body, reply.human]).toEqual(["blue", true]);
    await page.locator(".line.came", { hasText: "which colour?" }).locator(".state.handled").waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    await page.getByRole("searchbox").fill("COLOUR");
    await page.locator(".found a", { hasText: "colour" }).waitFor();
  });

  test("a request is shown with what it says, accepted, and talked to", async () => {
    const bob = await world.beside("bob");
    await bob.requests.setPolicy("contacts");
    const dave = await world.other("dave");
    const sent = await dave.send("bob", "may I?");
    await goTo(page, "bob", "todo");
    await page.getByText("wants to talk to bob").waitFor();
    await page.getByRole("button", { name: "Show what dave has written" }).click();
    await page.getByText("may I?").waitFor();
    await page.getByRole("button", { name: "Accept dave" }).click();
    await page.getByText("Nothing waits for you.").waitFor();
    expect((await bob.inbox()).map(({ body }) => body)).toContain("may I?");
    expect((await sent.status()).state).toBe("received");
  });

  test("a dead letter is redelivered, and a question of To do answered", async () => {
    const bob = await world.beside("bob");
    const dave = await world.other("dave2");
    await bob.send("dave2", "hello");
    await (await dave.send("bob", "broken")).received();
    const found = await eventually("it is in the inbox", async () =>
      (await bob.inbox()).find(({ body }) => body === "broken"),
    );
    await (await bob.message(found.id)).failed("no handler could");
    await page.getByText("given up").waitFor();
    await page.getByRole("button", { name: "Redeliver the message of dave2" }).click();
    await eventually("it waits again", async () => (await bob.deadLetters.list()).length === 0);
    expect((await bob.message(found.id)).state).toBe("unhandled");

    const asked = await dave.question("bob", "what is it?");
    await page.getByRole("textbox", { name: "Reply to dave2" }).fill("this");
    await page.getByRole("button", { name: "Send the reply to dave2" }).click();
    expect((await asked.reply()).body).toBe("this");
  });

  test("a changed key stops, is shown beside the one before, and is trusted", async () => {
    const bob = await world.beside("bob");
    const erin = await world.other("erin");
    await bob.send("erin", "hello");
    await erin.sync();
    const before = erin.fingerprint;
    await erin.unregister({ release: true });
    const again = await world.other("erin");
    await again.send("bob", "it is me, with another key");
    await page.getByText("shows another identity key").waitFor();
    const shown = await page
      .locator(".item", { hasText: "another identity key" })
      .locator(".fingerprint")
      .allInnerTexts();
    expect(shown.map(plain)).toEqual([before, again.fingerprint].map(plain));
    // Whatever is shown while one thinks about it is another question.
    await page.getByRole("button", { name: "Trust what is shown now" }).click();
    await page.getByRole("button", { name: "Yes" }).waitFor();
    await again.unregister({ release: true });
    const third = await world.other("erin");
    await third.send("bob", "and with a third");
    await bob.send("erin", "which of you is it?").catch(() => undefined);
    await eventually("the third one is shown", async () =>
      (await page.locator(".item .fingerprint").allInnerTexts()).map(plain).includes(plain(third.fingerprint)),
    );
    expect(await page.getByRole("button", { name: "Yes" }).count()).toBe(0);
    await page.getByRole("button", { name: "Trust what is shown now" }).click();
    await page.getByRole("button", { name: "Yes" }).click();
    await eventually("the key is trusted", async () => (await bob.contact("erin"))?.stopped === undefined);
    // It was seen, and not compared with anything.
    expect(await bob.contact("erin")).toMatchObject({ fingerprint: third.fingerprint, verified: false, tier: "known" });
  });

  test("files go both ways: one is saved as it was sent, and one that was chosen arrives", async () => {
    const path = join(world.folder, "report.bin");
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    writeFileSync(path, bytes);
    await carol.send("alice", "the report", { files: [path] });
    await goTo(page, "alice", "talk", "carol");
    const loading = page.waitForEvent("download");
    await line("the report").getByRole("button", { name: "Save report.bin" }).click();
    const saved = await (await loading).path();
    expect(readFileSync(saved)).toEqual(Buffer.from(bytes));

    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("button", { name: "Add files" }).click(),
    ]);
    await chooser.setFiles([path]);
    await page.getByRole("textbox", { name: "Message to carol" }).fill("back to you");
    await page.keyboard.press("Enter");
    const came = await eventually("carol has it", async () =>
      (await carol.inbox()).find(({ body }) => body === "back to you"),
    );
    const message = await carol.message(came.id);
    const [file] = message.files;
    expect(file?.name).toBe("report.bin");
    expect(readFileSync(await file!.save(join(world.folder, "saved")))).toEqual(Buffer.from(bytes));
  });

  test("a group is founded, written to, and shows how many have handled what was said", async () => {
    await goTo(page, "alice", "groups");
    await page.getByRole("textbox", { name: "Name of a new group" }).fill("team");
    await page.getByRole("textbox", { name: "Members of a new group" }).fill("carol");
    await page.getByRole("button", { name: "Found a group" }).click();
    await page.getByRole("link", { name: "@team" }).click();
    await page.getByRole("textbox", { name: "Message to @team" }).fill("hello, all");
    await page.keyboard.press("Enter");
    await line("hello, all").getByText("handled 1/1").waitFor();
  });

  test("a contact is verified by what its owner reads out, and health says that all is well", async () => {
    await goTo(page, "alice", "verify");
    await page.getByLabel("Fingerprint that the owner of carol has told you").fill(carol.fingerprint.toLowerCase());
    await page.getByRole("button", { name: "Compare the fingerprint of carol" }).click();
    const alice = await world.beside("alice");
    await eventually("carol is verified", async () => (await alice.contact("carol"))?.verified === true);
    await page.getByLabel("Fingerprint that the owner of", { exact: false }).waitFor({ state: "detached" });
    await goTo(page, "alice", "health");
    await page.getByText("no contact is stopped").waitFor();
    expect(await page.locator(".checks .stopped").count()).toBe(0);
    expect(world.complaints).toEqual([]);
  });

  test("a wrong name is told of in the words of the command line, and what was typed stays", async () => {
    await goTo(page, "alice", "talk", "nobody-there");
    await page.getByRole("textbox", { name: "Message to nobody-there" }).fill("hello?");
    await page.keyboard.press("Enter");
    await page.locator(".line .state.refused").waitFor();
    await goTo(page, "alice", "talk", "no name at all");
    await page.getByRole("textbox", { name: "Message to no name at all" }).fill("this text is kept");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").first().waitFor();
    expect(await page.getByRole("textbox", { name: "Message to no name at all" }).inputValue()).toBe(
      "this text is kept",
    );
    await goTo(page, "alice", "talk");
  });
});
