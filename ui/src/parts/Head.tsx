/** The head of a screen: its title, what it is about, how to copy it; then its content. */

import type { ComponentChildren } from "preact";
import { type Copies, CopyMenu } from "./CopyMenu";

interface HeadProps {
	title: ComponentChildren;
	copies?: Copies | undefined;
	children?: ComponentChildren;
}

export function Head({ title, copies, children }: HeadProps) {
	return (
		<header class="head">
			<h1 class="cut">{title}</h1>
			{children}
			{copies && <CopyMenu {...copies} />}
		</header>
	);
}
