// Puts the parts together.

import * as about from "viewer/about";
import * as controls from "viewer/controls";
import * as curves from "viewer/curves";
import * as keys from "viewer/keys";
import * as stage from "viewer/stage";
import { onChange, readAddress, state } from "viewer/state";
import * as table from "viewer/table";

readAddress();
[about, stage, controls, keys].forEach((part) => part.start());
for (const part of [controls, stage, curves, table]) {
  onChange(part.draw);
  part.draw(new Set(Object.keys(state)));
}
document.body.dataset.started = "yes";
