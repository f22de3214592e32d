/** The arrows of a map, and over all of them their words, each on its own way. */

import type { ServiceMap, Wire } from "./layout";

interface WiresProps<Edge extends { from: string; to: string }> {
	picture: Pick<ServiceMap<{ name: string }, Edge>, "wires">;
	isBad: (edge: Edge) => boolean;
	/** What is said of an arrow that is pointed at. */
	tell?: (edge: Edge) => string;
}

export function Wires<Edge extends { from: string; to: string }>(props: WiresProps<Edge>) {
	const { picture, isBad, tell } = props;
	const titleOf = ({ edge }: Wire<Edge>) => tell && <title>{tell(edge)}</title>;
	return (
		<>
			<defs>
				<Tip id="tip" kind="tip" />
				<Tip id="tip-bad" kind="tip-bad" />
			</defs>
			{picture.wires.map((wire, at) => (
				<path
					key={at}
					class={`edge ${isBad(wire.edge) ? "is-bad" : ""}`}
					d={wire.path}
					marker-end={isBad(wire.edge) ? "url(#tip-bad)" : "url(#tip)"}
				>
					{titleOf(wire)}
				</path>
			))}
			{picture.wires.map(
				(wire, at) =>
					wire.label && (
						<text
							key={at}
							{...wire.label}
							text-anchor="middle"
							dominant-baseline="central"
							class={`under told ${isBad(wire.edge) ? "bad" : ""}`}
						>
							{wire.words}
							{titleOf(wire)}
						</text>
					),
			)}
		</>
	);
}

function Tip({ id, kind }: { id: string; kind: string }) {
	return (
		<marker
			id={id}
			viewBox="0 0 8 8"
			refX="7"
			refY="4"
			markerWidth="7"
			markerHeight="7"
			orient="auto"
		>
			<path d="M0 0 8 4 0 8z" class={kind} />
		</marker>
	);
}
