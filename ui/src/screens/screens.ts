/** The screens, in the order of the rail. Each is a chunk of its own, loaded when it is opened. */

import type { ComponentType } from "preact";

export interface Screen {
	name: string;
	title: string;
	/** The second key after `g`. */
	key: string;
	/** Names of the path under which its rail entry is current as well. */
	also?: readonly string[];
	/** Whether it fills the page itself, rather than scroll as a whole. */
	fills?: boolean;
	load: () => Promise<{ default: ComponentType }>;
}

export const SCREENS: readonly Screen[] = [
	{
		name: "find",
		title: "Find",
		key: "f",
		fills: true,
		load: () => import("./find/Find"),
	},
	{
		name: "trace",
		title: "Trace",
		key: "t",
		fills: true,
		load: () => import("./trace/Trace"),
	},
];
