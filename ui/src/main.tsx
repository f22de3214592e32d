/** Where the page begins. */

import { render } from "preact";
import { Page } from "./parts/Page";
import { hearKeys } from "./state/keys";
import { followAddress } from "./state/place";
import { runClock } from "./state/time";
import "./styles/page.css";

followAddress();
hearKeys();
runClock();

const page = document.getElementById("page");
if (page !== null) render(<Page />, page);
