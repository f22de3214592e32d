/** Figures and times as people read them. Pure. */

/** A duration in milliseconds, three figures. */
export function sayDuration(ms: number): string {
	if (ms === 0) return "0 ms";
	if (ms < 0.001) return `${figures(ms * 1e6)} ns`;
	if (ms < 1) return `${figures(ms * 1000)} µs`;
	if (ms < 1000) return `${figures(ms)} ms`;
	if (ms < 60_000) return `${figures(ms / 1000)} s`;
	const seconds = Math.round(ms / 1000);
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
	const minutes = Math.round(seconds / 60);
	if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
	return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** A count, shortened from ten thousand on. */
export function sayCount(count: number): string {
	if (count < 10_000) return count.toLocaleString("en");
	if (count < 1e6) return `${figures(count / 1e3)} k`;
	if (count < 1e9) return `${figures(count / 1e6)} M`;
	return `${figures(count / 1e9)} G`;
}

/** What is counted, as one of it or as several; `many` where it does not end in a plain s. */
export function nameMany(count: number, one: string, many = `${one}s`): string {
	return count === 1 ? one : many;
}

/** A count and what is counted. Whatever the page counts in words is said by this. */
export function sayMany(count: number, one: string, many?: string): string {
	return `${sayCount(count)} ${nameMany(count, one, many)}`;
}

/** How often, in the largest unit that makes it one or more: "0.03 a second" is nothing to go by. */
export function sayRate(perSecond: number): string {
	if (perSecond === 0 || perSecond >= 1) return `${few(perSecond)}/s`;
	if (perSecond * 60 >= 1) return `${few(perSecond * 60)}/min`;
	return `${few(perSecond * 3600)}/h`;
}

export function sayBytes(bytes: number): string {
	if (bytes < 1024) return `${bytes} B`;
	const units = ["KiB", "MiB", "GiB", "TiB"];
	let value = bytes / 1024;
	let unit = 0;
	while (value >= 1024 && unit < units.length - 1) {
		value /= 1024;
		unit += 1;
	}
	return `${figures(value)} ${units[unit]}`;
}

export function saySharePercent(share: number): string {
	const percent = share * 100;
	if (percent > 0 && percent < 0.1) return "< 0.1 %";
	return `${percent >= 10 ? Math.round(percent) : Number(percent.toFixed(1))} %`;
}

/** A time of day, with the day where it is not today's. */
export function sayTime(ms: number, now: number, { fraction = true } = {}): string {
	const at = new Date(ms);
	const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
	const precise = fraction ? `${clock}.${String(at.getMilliseconds()).padStart(3, "0")}` : clock;
	return at.toDateString() === new Date(now).toDateString() ? precise : `${sayDay(at)} ${precise}`;
}

/** Whether two moments are of one day, by the clock of the page. */
export function isOneDay(one: number, other: number): boolean {
	return new Date(one).toDateString() === new Date(other).toDateString();
}

/** Ticks of an axis of time: short enough to stand beside each other. Days are told where they differ. */
export function sayClocks(moments: readonly number[]): string[] {
	const [first = 0, second = 0, last = first] = [moments[0], moments[1], moments.at(-1)];
	const step = second - first;
	return moments.map((at) => {
		const clock = sayTime(at, at, { fraction: false });
		const day = sayDay(new Date(at)).slice(5);
		const isMidnight = clock.startsWith("00:00");
		if (!isOneDay(first, last) && (isMidnight || step >= DAY_MS)) return day;
		// Seconds are told only where ticks lie nearer than a minute.
		return step >= 60_000 ? clock.slice(0, -3) : clock;
	});
}

const DAY_MS = 86_400_000;

export function sayDay(at: Date): string {
	return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** How long ago, in one unit. */
export function sayAgo(ms: number, now: number): string {
	const seconds = Math.max(0, Math.round((now - ms) / 1000));
	if (seconds < 60) return `${seconds} s ago`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
	if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
	return `${Math.floor(seconds / 86_400)} d ago`;
}

function few(value: number): string {
	return value >= 1_000 ? sayCount(Math.round(value)) : figures(value);
}

function figures(value: number): string {
	if (value >= 100) return String(Math.round(value));
	return String(Number(value.toPrecision(3)));
}

function two(value: number): string {
	return String(value).padStart(2, "0");
}

/** A value of telemetry as text: nested ones as JSON. */
export function sayValue(value: unknown): string {
	if (typeof value === "string") return value;
	return value === null || value === undefined ? "" : JSON.stringify(value);
}
