// Drives the API with the client that oapi-codegen makes of docs/openapi.json:
//
//	drive API_URL RUN
//
// RUN makes the names of one run its own.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"reflect"
	"sort"
	"time"

	"github.com/oapi-codegen/nullable"
	"github.com/oapi-codegen/runtime/types"

	"drive/api"
)

const told = "return=representation"

func main() {
	log.SetFlags(log.Lshortfile)
	url, run := os.Args[1], os.Args[2]
	// Without `Accept`, an answer that has nothing to tell is the text OK, which is then in Body alone.
	accept := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Accept", "application/json")
		return nil
	}
	client, err := api.NewClientWithResponses(url, api.WithRequestEditorFn(accept))
	if err != nil {
		log.Fatal(err)
	}
	drive{
		client:  client,
		none:    "none " + run,
		sku:     "CLOCK 1/50%+é " + run,
		ref:     "batch 1/50%+é " + run,
		orderid: "order 1/50%+é " + run,
		lamp:    "LAMP 1/50%+é " + run,
		basket:  "basket 1/50%+é " + run,
	}.all()
}

type drive struct {
	client                                *api.ClientWithResponses
	none, sku, ref, orderid, lamp, basket string
}

func (d drive) all() {
	ctx, arrives := context.Background(), types.Date{Time: time.Date(2031, 1, 2, 0, 0, 0, 0, time.UTC)}
	eta := nullable.NewNullableWithValue(arrives)

	// A batch, and the same again.
	batch := api.NewBatch{Ref: d.ref, Sku: d.sku, Qty: 100, Eta: eta}
	added := must(d.client.CreateBatchWithResponse(ctx, nil, batch))
	equal(added.StatusCode(), 201)
	equal(string(added.JSON201.Message), "OK")
	equal(isReplayed(added.HTTPResponse), false)
	equal(isReplayed(must(d.client.CreateBatchWithResponse(ctx, nil, batch)).HTTPResponse), true)

	// A line, told what became of it; and one that is not.
	answer := d.allocate(d.line(10, "gift"), told)
	equal(answer.StatusCode(), 201)
	equal(answer.HTTPResponse.Header.Get("Preference-Applied"), told)
	equal(answer.JSON201.Batchref, d.ref)
	taken := d.allocate(d.line(3, ""), "")
	equal(taken.StatusCode(), 202)
	equal(string(taken.JSON202.Message), "OK")

	// The product, the order, and the batch's lines in pages of one.
	product := must(d.client.ShowProductWithResponse(ctx, d.sku, nil)).JSON200
	equal(product.Sku, d.sku)
	equal(product.Free, 0)
	equal(product.Incoming, []api.Incoming{{Eta: arrives, Free: 87}})
	equal(product.Waiting.Lines, 0)
	equal(product.Batches[0].Allocated, 13)
	order := must(d.client.ShowOrderWithResponse(ctx, d.orderid, nil)).JSON200
	equal(order.Orderid, d.orderid)
	equal(order.Next.IsNull(), true)
	equal(order.Lines, []api.ShownLine{d.shown("3", 3, eta), d.shown("gift", 10, eta)})
	equal(d.linesOfBatch(ctx), []string{"3", "gift"})

	// Errors are of a type.
	elsewhere := d.line(1, "")
	elsewhere.Sku = d.none
	equal(d.allocate(elsewhere, "").JSON400.Code, api.ErrorCodeUnknownSku)
	equal(must(d.client.ShowOrderWithResponse(ctx, d.none, nil)).JSON404.Code, api.ErrorCodeUnknownOrder)
	invalid := d.allocate(d.line(0, ""), "").JSON400
	equal(invalid.Code, api.ErrorCodeInvalidInput)
	equal(*invalid.Field, "qty")
	differs := d.allocate(d.line(4, "gift"), "").JSON409
	equal(differs.Code, api.ErrorCodeLineDiffers)
	equal(*differs.Qty, 10)

	// The batch arrives, smaller than promised: null is sent, and read back.
	qty, arrived := int64(90), nullable.NewNullNullable[api.Eta]()
	change := api.BatchChange{Qty: &qty, Eta: arrived}
	equal(must(d.client.ChangeBatchWithResponse(ctx, d.ref, nil, change)).JSON200.Applied, true)
	shown := must(d.client.ShowBatchesWithResponse(ctx, d.ref, nil)).JSON200
	equal(shown.Batches, []api.SkuBatch{{Sku: d.sku, Eta: arrived, Purchased: 90, Allocated: 13, Free: 77}})

	// The largest quantity.
	most := api.NewBatch{Ref: d.ref, Sku: d.sku + " most", Qty: 4294967295, Eta: arrived}
	equal(must(d.client.CreateBatchWithResponse(ctx, nil, most)).StatusCode(), 201)
	equal(must(d.client.ShowProductWithResponse(ctx, most.Sku, nil)).JSON200.Free, 4294967295)

	// An order of two lines, and then of more than there is.
	lamps := api.NewBatch{Ref: d.ref, Sku: d.lamp, Qty: 5, Eta: eta}
	equal(must(d.client.CreateBatchWithResponse(ctx, nil, lamps)).StatusCode(), 201)
	placed := d.put(2, 1).JSON200
	equal(placed.Orderid, d.basket)
	equal(*placed.Version, 1)
	equal(len(placed.Lines), 2)
	for _, line := range placed.Lines {
		equal(line.State, api.ShownLineStateAllocated)
	}
	equal(isReplayed(d.put(2, 1).HTTPResponse), true)
	short := d.put(6, 2).JSON409
	equal(short.Code, api.ErrorCodeOutOfStock)
	comes := []api.Incoming{{Eta: arrives, Free: 5}}
	equal(*short.Lines, []api.ShortLine{{Sku: d.lamp, Line: "lamps", Qty: 6, Incoming: comes}})

	// A line is cancelled, then its order.
	gift := "gift"
	name := api.LineName{Orderid: d.orderid, Sku: d.sku, Line: &gift}
	equal(string(must(d.client.DeallocateWithResponse(ctx, nil, name)).JSON200.Message), "OK")
	equal(isReplayed(must(d.client.DeallocateWithResponse(ctx, nil, name)).HTTPResponse), true)
	equal(d.allocate(d.line(10, "gift"), "").JSON409.Code, api.ErrorCodeLineCancelled)
	left := must(d.client.ShowOrderWithResponse(ctx, d.orderid, nil)).JSON200
	equal(states(left), []api.ShownLineState{api.ShownLineStateAllocated, api.ShownLineStateCancelled})
	cancelled := must(d.client.CancelOrderWithResponse(ctx, d.orderid, nil)).JSON200
	equal(states(cancelled), []api.ShownLineState{api.ShownLineStateCancelled, api.ShownLineStateCancelled})
	equal(d.allocate(d.line(5, ""), "").JSON409.Code, api.ErrorCodeOrderCancelled)
	equal(must(d.client.ShowProductWithResponse(ctx, d.sku, nil)).JSON200.Free, 90)
}

// line is one of the order, without a name of its own if that is empty.
func (d drive) line(qty int64, name string) api.OrderLine {
	line := api.OrderLine{Orderid: d.orderid, Sku: d.sku, Qty: qty}
	if name != "" {
		line.Line = &name
	}
	return line
}

func (d drive) allocate(line api.OrderLine, prefer string) *api.AllocateResponse {
	params := &api.AllocateParams{}
	if prefer != "" {
		params.Prefer = &prefer
	}
	return must(d.client.AllocateWithResponse(context.Background(), params, line))
}

// put asks for an order of so many lamps, and of one piece of what there is most of.
func (d drive) put(lamps, version int64) *api.PutOrderResponse {
	name := "lamps"
	lines := []api.WantedLine{{Sku: d.lamp, Qty: lamps, Line: &name}, {Sku: d.sku + " most", Qty: 1}}
	order := api.WantedOrder{Lines: lines, Version: &version}
	return must(d.client.PutOrderWithResponse(context.Background(), d.basket, nil, order))
}

// shown is how an allocated line is told.
func (d drive) shown(name string, qty int64, eta nullable.Nullable[api.Eta]) api.ShownLine {
	parts := []api.ShownPart{{Batchref: d.ref, Eta: eta, Qty: qty}}
	return api.ShownLine{Sku: d.sku, Line: name, Qty: qty, State: api.ShownLineStateAllocated, Parts: parts}
}

func (d drive) linesOfBatch(ctx context.Context) []string {
	one := int32(1)
	params, names := &api.ListLinesParams{Sku: &d.sku, Limit: &one}, []string{}
	for {
		page := must(d.client.ListLinesWithResponse(ctx, d.ref, params)).JSON200
		equal(len(page.Lines) <= 1, true)
		for _, line := range page.Lines {
			names = append(names, line.Line)
		}
		if page.Next.IsNull() {
			sort.Strings(names)
			return names
		}
		next := page.Next.MustGet()
		params.After = &next
	}
}

func states(order *api.Order) []api.ShownLineState {
	states := []api.ShownLineState{}
	for _, line := range order.Lines {
		states = append(states, line.State)
	}
	return states
}

func isReplayed(response *http.Response) bool {
	return response.Header.Get("Idempotent-Replayed") == "true"
}

func must[T any](answer T, err error) T {
	if err != nil {
		fail(err.Error())
	}
	return answer
}

func equal[T any](is, expected T) {
	if !reflect.DeepEqual(is, expected) {
		fail(fmt.Sprintf("is %+v, not %+v", is, expected))
	}
}

// fail says where the caller of its caller is.
func fail(message string) {
	_ = log.Output(3, message)
	os.Exit(1)
}
