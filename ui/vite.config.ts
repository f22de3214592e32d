import { defineConfig } from "vitest/config";

const SERVER = process.env.CLEW_SERVER ?? "http://127.0.0.1:7701";

export default defineConfig({
	// Every address is relative, so the page works below any prefix of a proxy.
	base: "./",
	oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
	build: {
		outDir: "../src/clew/surfaces/web/static",
		emptyOutDir: true,
		target: "es2023",
		// The rules for content allow no inline script, and one request less is not worth one.
		modulePreload: { polyfill: false },
		assetsInlineLimit: 0,
		cssCodeSplit: true,
	},
	server: {
		proxy: { "/api": SERVER, "/readyz": SERVER, "/metrics": SERVER, "/openapi.json": SERVER },
	},
	test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
});
