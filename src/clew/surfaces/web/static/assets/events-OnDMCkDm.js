import{B as e,H as t,W as n,z as r}from"./words-9xgRDBEk.js";async function*i(i,o,s,c){let l={accept:`text/event-stream`,...t()};c!==void 0&&(l[`last-event-id`]=c);let u;try{u=await fetch(e(i,{},o),{headers:l,signal:s})}catch(e){if(s.aborted)return;throw new r(`unavailable`,`the live feed cannot be reached`,0,String(e))}if(!u.ok||u.body===null)throw await n(u);let d=u.body.pipeThrough(new TextDecoderStream).getReader(),f=new a;try{for(;;){let{done:e,value:t}=await d.read();if(e)return;yield*f.take(t)}}catch(e){if(!s.aborted)throw new r(`unavailable`,`the live feed broke off`,0,String(e))}finally{d.cancel().catch(()=>void 0)}}var a=class{#e=``;take(e){let t=(this.#e+e).replaceAll(`\r
`,`
`).split(`

`);return this.#e=t.pop()??``,t.map(o).filter(e=>e!==null)}};function o(e){let t=[],n,r=`message`;for(let i of e.split(`
`)){let e=i.indexOf(`:`);if(e===0)continue;let a=e<0?i:i.slice(0,e),o=e<0?``:i.slice(e+1).replace(/^ /,``);a===`data`?t.push(o):a===`id`?n=o:a===`event`&&(r=o)}return t.length===0?null:{id:n,type:r,data:t.join(`
`)}}export{i as t};