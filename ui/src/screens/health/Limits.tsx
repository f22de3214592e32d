/** How near every limit is, the nearest first, and what to do there. */

import type { Limit } from "../../api/schema";
import { Shown } from "../../parts/States";
import { sayMany, saySharePercent } from "../../parts/words";
import type { Asked } from "./Health";
import { foldLimits, sayLimits, sayUsed } from "./nearness";

const CLASSES = { full: "bad", near: "warn", ok: "" } as const;

export function Limits({ of: answer }: { of: Asked }) {
	return (
		<section class="panel" aria-label="Limits">
			<h2>How near are the limits?</h2>
			<Shown of={answer}>
				{({ limits }) => {
					const [first, others] = foldLimits(limits);
					return (
						<div class="stack">
							<p>{sayLimits(limits)}.</p>
							<div class="limits">
								{first.map((each) => (
									<OneLimit key={each.name} limit={each} />
								))}
							</div>
							{others.length > 0 && (
								<details>
									<summary>{sayMany(others.length, "further limit")}</summary>
									<div class="limits">
										{others.map((each) => (
											<OneLimit key={each.name} limit={each} />
										))}
									</div>
								</details>
							)}
						</div>
					);
				}}
			</Shown>
		</section>
	);
}

function OneLimit({ limit }: { limit: Limit }) {
	const tone = CLASSES[limit.state];
	return (
		<div class="limit">
			<span class="limit-name">
				<span>{limit.title}</span>
				<span class={tone || "soft"}>
					{limit.share === null ? "" : saySharePercent(limit.share)}
				</span>
			</span>
			{limit.max !== null && (
				<meter
					aria-label={limit.title}
					value={Math.min(limit.used, limit.max)}
					max={limit.max}
					high={limit.max * 0.8}
				/>
			)}
			<span class="small soft" title={limit.advice}>
				{sayUsed(limit)}
				{limit.setting && (
					<>
						{" "}
						· <code>{limit.setting}</code>
					</>
				)}
			</span>
			{limit.state !== "ok" && <span class={`small ${tone}`}>{limit.advice}</span>}
		</div>
	);
}
