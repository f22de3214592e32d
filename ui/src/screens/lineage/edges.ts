/** Names of edges, as the address has them. Pure. */

import type { Edge } from "../../api/schema";

export const edgeKey = (edge: Edge) => `${edge.parent_trace_id}>${edge.trace_id}`;
