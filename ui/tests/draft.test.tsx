import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, expect, it, vi } from "vitest";
import { Complete } from "../src/parts/Complete";
import { CompletingText } from "../src/parts/CompletingText";
import { Palette, showPalette } from "../src/parts/Palette";
import { Written } from "../src/parts/Written";

const root = document.createElement("div");

afterEach(async () => {
	await act(() => render(null, root));
	root.remove();
	vi.unstubAllGlobals();
	vi.useRealTimers();
});

function type(field: Element | null, text: string): HTMLInputElement {
	const input = field as HTMLInputElement;
	input.value = text;
	input.dispatchEvent(new Event("input", { bubbles: true }));
	return input;
}

const press = (field: Element, key: string) =>
	act(() => {
		field.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
	});

it("keeps what was typed before the page had gone through its first frame", async () => {
	const nothing = async () => ({ from: 0, to: 0, found: [] });
	await act(async () => {
		render(
			<>
				<Complete label="a" value="" suggest={async () => []} onChoose={() => undefined} />
				<CompletingText label="b" value="" complete={nothing} onSend={() => undefined} />
			</>,
			root,
		);
		for (const field of root.querySelectorAll("input")) type(field, "typed at once");
	});
	const texts = [...root.querySelectorAll("input")].map((each) => each.value);
	expect(texts).toEqual(["typed at once", "typed at once"]);
});

it("keeps what is being typed when the page is drawn anew around it", async () => {
	const sent: string[] = [];
	const show = () =>
		act(() => render(<Written label="a" value="" onSend={(text) => sent.push(text)} />, root));
	await show();
	const field = root.querySelector("input") as HTMLInputElement;
	await act(() => void type(field, "half a wo"));
	await show();
	expect(field.value).toBe("half a wo");
	await press(field, "Enter");
	expect(sent).toEqual(["half a wo"]);
});

it("chooses nothing that fits the text before", async () => {
	vi.useFakeTimers();
	const chosen: string[] = [];
	const suggest = async (text: string) => (text === "ch" ? [{ text: "checkout" }] : []);
	await act(() =>
		render(
			<Complete label="a" value="" suggest={suggest} onChoose={(text) => chosen.push(text)} />,
			root,
		),
	);
	const field = root.querySelector("input") as HTMLInputElement;
	await act(() => void type(field, "ch"));
	await act(async () => void (await vi.runAllTimersAsync()));
	expect(root.querySelectorAll("[role=option]")).toHaveLength(1);
	await press(field, "ArrowDown");
	await act(() => void type(field, "chx"));
	await press(field, "Enter");
	expect(chosen).toEqual(["chx"]);
});

it("leaves what is picked in the palette where it is when more is found before it", async () => {
	vi.useFakeTimers();
	let tell: (response: Response) => void = () => undefined;
	vi.stubGlobal("fetch", (url: URL) =>
		url.pathname === "/api/v1/apps"
			? new Promise<Response>((resolve) => {
					tell = resolve;
				})
			: Promise.resolve(Response.json({ services: [], objects: [], sessions: [] })),
	);
	document.body.append(root);
	await act(() => render(<Palette />, root));
	await act(() => showPalette());
	const field = root.querySelector("input") as HTMLInputElement;
	await act(() => void type(field, "cur"));
	await act(async () => void (await vi.runAllTimersAsync()));
	const picked = () => root.querySelector("[aria-selected=true]")?.textContent;
	await press(field, "ArrowDown");
	const before = picked();
	expect(before).toContain("Take the time cursor away");
	await act(async () => {
		tell(Response.json({ apps: [{ app_id: "1", app_name: "curator", status: "running" }] }));
		await vi.runAllTimersAsync();
	});
	expect(root.textContent).toContain("curator");
	expect(picked()).toBe(before);
});
