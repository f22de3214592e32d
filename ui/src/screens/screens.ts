/** The screens, in the order of the rail. Each is a chunk of its own, loaded when it is opened. */

import type { ComponentType } from "preact";

export interface Screen {
	name: string;
	title: string;
	/** The second key after `g`. */
	key: string;
	load: () => Promise<{ default: ComponentType }>;
}

export const SCREENS: readonly Screen[] = [
	{
		name: "live",
		title: "Live",
		key: "l",
		load: () => import("./live/Live"),
	},
	{
		name: "find",
		title: "Find",
		key: "f",
		load: () => import("./find/Find"),
	},
	{
		name: "trace",
		title: "Trace",
		key: "t",
		load: () => import("./trace/Trace"),
	},
	{
		name: "tree",
		title: "Tree",
		key: "a",
		load: () => import("./tree/Tree"),
	},
	{
		name: "twin",
		title: "Twin",
		key: "w",
		load: () => import("./twin/Twin"),
	},
	{
		name: "lineage",
		title: "Lineage",
		key: "i",
		load: () => import("./lineage/Lineage"),
	},
	{
		name: "services",
		title: "Services",
		key: "s",
		load: () => import("./services/Services"),
	},
	{
		name: "team",
		title: "Team",
		key: "m",
		load: () => import("./team/Team"),
	},
	{
		name: "health",
		title: "Health",
		key: "h",
		load: () => import("./health/Health"),
	},
];
