/** Whether the window is as narrow as a phone: as the styles have it. */

import { useEffect, useState } from "preact/hooks";

const NARROW = "(max-width: 720px)";

export function useNarrow(): boolean {
	const [isNarrow, setNarrow] = useState(() => window.matchMedia(NARROW).matches);
	useEffect(() => {
		const asked = window.matchMedia(NARROW);
		const hear = () => setNarrow(asked.matches);
		asked.addEventListener("change", hear);
		return () => asked.removeEventListener("change", hear);
	}, []);
	return isNarrow;
}
