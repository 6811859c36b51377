import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.ApiResponse;
import org.openapitools.client.api.BatchesApi;
import org.openapitools.client.api.LinesApi;
import org.openapitools.client.api.OrdersApi;
import org.openapitools.client.api.ProductsApi;
import org.openapitools.client.model.BatchChange;
import org.openapitools.client.model.Error;
import org.openapitools.client.model.Error.CodeEnum;
import org.openapitools.client.model.LineName;
import org.openapitools.client.model.NewBatch;
import org.openapitools.client.model.OrderLine;
import org.openapitools.client.model.PlacedOrder;
import org.openapitools.client.model.ShownLine;
import org.openapitools.client.model.ShownLine.StateEnum;
import org.openapitools.client.model.WantedLine;
import org.openapitools.client.model.WantedOrder;

/**
 * Drives the API with the client that openapi-generator makes of docs/openapi.json: {@code java Drive API_URL RUN}. RUN makes
 * the names of one run its own.
 */
final class Drive {
  private static final String TOLD = "return=representation";
  private static final LocalDate ETA = LocalDate.of(2031, 1, 2);

  private final BatchesApi batches;
  private final LinesApi lines;
  private final OrdersApi orders;
  private final ProductsApi products;
  private final ObjectMapper json;
  private final String none;
  private final String sku;
  private final String ref;
  private final String orderid;
  private final String lamp;
  private final String basket;

  private Drive(String url, String run) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(url);
    batches = new BatchesApi(client);
    lines = new LinesApi(client);
    orders = new OrdersApi(client);
    products = new ProductsApi(client);
    json = client.getObjectMapper();
    none = "none " + run;
    sku = "CLOCK 1/50%+é " + run;
    ref = "batch 1/50%+é " + run;
    orderid = "order 1/50%+é " + run;
    lamp = "LAMP 1/50%+é " + run;
    basket = "basket 1/50%+é " + run;
  }

  public static void main(String[] args) throws Exception {
    new Drive(args[0], args[1]).all();
  }

  private void all() throws Exception {
    // A batch, and the same again.
    var batch = new NewBatch().ref(ref).sku(sku).qty(100L).eta(ETA);
    var added = batches.createBatchWithHttpInfo(batch, null);
    equal(added.getStatusCode(), 201);
    equal(added.getData().getMessage().getValue(), "OK");
    equal(isReplayed(added), false);
    equal(isReplayed(batches.createBatchWithHttpInfo(batch, null)), true);

    // A line, told what became of it; and one that is not. The client has one type for both answers.
    var told = lines.allocateWithHttpInfo(line(10).line("gift"), TOLD, null);
    equal(told.getStatusCode(), 201);
    equal(told.getHeaders().get("preference-applied"), List.of(TOLD));
    equal(told.getData().getBatchref(), ref);
    var taken = lines.allocateWithHttpInfo(line(3), null, null);
    equal(taken.getStatusCode(), 202);
    equal(taken.getData().getBatchref(), null);

    // The product, the order, and the batch's lines in pages of one.
    var product = products.showProduct(sku, null);
    equal(product.getSku(), sku);
    equal(product.getFree(), 0L);
    equal(product.getIncoming().get(0).getEta(), ETA);
    equal(product.getIncoming().get(0).getFree(), 87L);
    equal(product.getWaiting().getLines(), 0L);
    equal(product.getBatches().get(0).getAllocated(), 13L);
    var order = orders.showOrder(orderid, null, null, null);
    equal(order.getOrderid(), orderid);
    equal(order.getNext(), null);
    equal(states(order.getLines()), List.of(StateEnum.ALLOCATED, StateEnum.ALLOCATED));
    var gift = order.getLines().get(1);
    equal(gift.getLine(), "gift");
    equal(gift.getQty(), 10L);
    equal(gift.getParts().get(0).getBatchref(), ref);
    equal(gift.getParts().get(0).getEta(), ETA);
    equal(linesOfBatch(), List.of("3", "gift"));

    // Errors are of a type, once their body is read.
    equal(refused(400, () -> lines.allocate(line(1).sku(none), null, null)).getCode(), CodeEnum.UNKNOWN_SKU);
    equal(refused(404, () -> orders.showOrder(none, null, null, null)).getCode(), CodeEnum.UNKNOWN_ORDER);
    Error invalid = refused(400, () -> lines.allocate(line(0), null, null));
    equal(invalid.getCode(), CodeEnum.INVALID_INPUT);
    equal(invalid.getField(), "qty");
    Error differs = refused(409, () -> lines.allocate(line(4).line("gift"), null, null));
    equal(differs.getCode(), CodeEnum.LINE_DIFFERS);
    equal(differs.getQty(), 10L);

    // The batch arrives, smaller than promised: null is sent, and read back.
    equal(batches.changeBatch(ref, new BatchChange().qty(90L).eta(null), null).getApplied(), true);
    var shown = batches.showBatches(ref, null).getBatches().get(0);
    equal(shown.getEta(), null);
    equal(List.of(shown.getPurchased(), shown.getAllocated(), shown.getFree()), List.of(90L, 13L, 77L));

    // The largest quantity.
    var most = new NewBatch().ref(ref).sku(sku + " most").qty(4_294_967_295L);
    equal(batches.createBatchWithHttpInfo(most, null).getStatusCode(), 201);
    equal(products.showProduct(most.getSku(), null).getFree(), 4_294_967_295L);

    // An order of two lines, and then of more than there is.
    var lamps = new NewBatch().ref(ref).sku(lamp).qty(5L).eta(ETA);
    equal(batches.createBatchWithHttpInfo(lamps, null).getStatusCode(), 201);
    var placed = put(2, 1).getData();
    equal(placed.getOrderid(), basket);
    equal(placed.getVersion(), 1L);
    equal(states(placed.getLines()), List.of(StateEnum.ALLOCATED, StateEnum.ALLOCATED));
    equal(isReplayed(put(2, 1)), true);
    Error refused = refused(409, () -> put(6, 2));
    equal(refused.getCode(), CodeEnum.OUT_OF_STOCK);
    equal(refused.getLines().size(), 1);
    var few = refused.getLines().get(0);
    equal(List.of(few.getSku(), few.getLine(), few.getQty(), few.getFree()), List.of(lamp, "lamps", 6L, 0L));
    equal(few.getIncoming().get(0).getEta(), ETA);
    equal(few.getIncoming().get(0).getFree(), 5L);

    // A line is cancelled, then its order.
    var name = new LineName().orderid(orderid).sku(sku).line("gift");
    equal(lines.deallocate(name, null).getMessage().getValue(), "OK");
    equal(isReplayed(lines.deallocateWithHttpInfo(name, null)), true);
    Error cancelled = refused(409, () -> lines.allocate(line(10).line("gift"), null, null));
    equal(cancelled.getCode(), CodeEnum.LINE_CANCELLED);
    equal(states(orders.showOrder(orderid, null, null, null).getLines()), List.of(StateEnum.ALLOCATED, StateEnum.CANCELLED));
    equal(states(orders.cancelOrder(orderid, null).getLines()), List.of(StateEnum.CANCELLED, StateEnum.CANCELLED));
    equal(refused(409, () -> lines.allocate(line(5), null, null)).getCode(), CodeEnum.ORDER_CANCELLED);
    equal(products.showProduct(sku, null).getFree(), 90L);
  }

  private OrderLine line(long qty) {
    return new OrderLine().orderid(orderid).sku(sku).qty(qty);
  }

  /** Asks for an order of so many lamps, and of one piece of what there is most of. */
  private ApiResponse<PlacedOrder> put(long lamps, long version) throws ApiException {
    var named = new WantedLine().sku(lamp).qty(lamps).line("lamps");
    var order = new WantedOrder().lines(List.of(named, new WantedLine().sku(sku + " most").qty(1L))).version(version);
    return orders.putOrderWithHttpInfo(basket, order, null);
  }

  private List<String> linesOfBatch() throws ApiException {
    var names = new ArrayList<String>();
    String after = null;
    do {
      var page = batches.listLines(ref, sku, 1, after, null);
      equal(page.getLines().size() <= 1, true);
      page.getLines().forEach(line -> names.add(line.getLine()));
      after = page.getNext();
    } while (after != null);
    names.sort(null);
    return names;
  }

  private static List<StateEnum> states(List<ShownLine> lines) {
    return lines.stream().map(line -> line.getState()).toList();
  }

  private static boolean isReplayed(ApiResponse<?> answer) {
    return answer.getHeaders().getOrDefault("idempotent-replayed", List.of()).contains("true");
  }

  private interface Call {
    void make() throws ApiException;
  }

  private Error refused(int status, Call call) throws Exception {
    try {
      call.make();
    } catch (ApiException exception) {
      equal(exception.getCode(), status);
      return json.readValue(exception.getResponseBody(), Error.class);
    }
    throw new AssertionError("not refused");
  }

  private static void equal(Object is, Object expected) {
    if (!Objects.equals(is, expected)) {
      throw new AssertionError("is " + is + ", not " + expected);
    }
  }
}
