// The core with its memories, loaded from the files of the `readmemh` export; the same for simulation and an FPGA.
// In simulation the plus arguments +weights=, +channels= and +layers= name the files instead of the parameters.
module ternary_top #(
    parameter LANES = 64,
    parameter ACC_BITS = 32,
    parameter WEIGHT_WORDS = 1024,
    parameter CHANNEL_WORDS = 256,
    parameter LAYER_WORDS = 32,
    parameter ACTIVATION_WORDS = 1024,
    parameter WEIGHT_FILE = "weights.memh",
    parameter CHANNEL_FILE = "channels.memh",
    parameter LAYER_FILE = "layers.memh"
) (
    input wire clk,
    input wire reset,
    input wire load_enable,  // writes one input; only while not busy
    input wire [31:0] load_address,
    input wire signed [7:0] load_data,
    input wire start,
    output wire busy,
    output wire out_valid,
    output wire out_last_layer,
    output wire signed [31:0] out_biased,
    output wire signed [7:0] out_value
);
    reg [2*LANES-1:0] weights[0:WEIGHT_WORDS-1];
    reg [71:0] channels[0:CHANNEL_WORDS-1];
    reg [31:0] layers[0:LAYER_WORDS-1];
    reg signed [7:0] bank0[0:ACTIVATION_WORDS-1];
    reg signed [7:0] bank1[0:ACTIVATION_WORDS-1];

`ifdef SYNTHESIS
    initial begin
        $readmemh(WEIGHT_FILE, weights);
        $readmemh(CHANNEL_FILE, channels);
        $readmemh(LAYER_FILE, layers);
    end
`else
    reg [8*1024-1:0] weight_file, channel_file, layer_file;
    initial begin
        if (!$value$plusargs("weights=%s", weight_file)) weight_file = WEIGHT_FILE;
        if (!$value$plusargs("channels=%s", channel_file)) channel_file = CHANNEL_FILE;
        if (!$value$plusargs("layers=%s", layer_file)) layer_file = LAYER_FILE;
        $readmemh(weight_file, weights);
        $readmemh(channel_file, channels);
        $readmemh(layer_file, layers);
    end
`endif

    wire [31:0] weight_address, channel_address, layer_address, read_address, write_address;
    wire read_bank, write_enable;
    wire signed [7:0] write_data;
    reg [2*LANES-1:0] weight_data;
    reg [71:0] channel_data;
    reg [31:0] layer_data;
    reg signed [7:0] data0, data1;

    localparam WEIGHT_BITS = $clog2(WEIGHT_WORDS);
    localparam CHANNEL_BITS = $clog2(CHANNEL_WORDS);
    localparam LAYER_BITS = $clog2(LAYER_WORDS);
    localparam ACTIVATION_BITS = $clog2(ACTIVATION_WORDS);

    assign out_value = write_data;

    always @(posedge clk) begin
        weight_data <= weights[weight_address[WEIGHT_BITS-1:0]];
        channel_data <= channels[channel_address[CHANNEL_BITS-1:0]];
        layer_data <= layers[layer_address[LAYER_BITS-1:0]];
        data0 <= bank0[read_address[ACTIVATION_BITS-1:0]];
        data1 <= bank1[read_address[ACTIVATION_BITS-1:0]];
        if (load_enable) bank0[load_address[ACTIVATION_BITS-1:0]] <= load_data;
        else if (write_enable && read_bank) bank0[write_address[ACTIVATION_BITS-1:0]] <= write_data;
        if (write_enable && !read_bank) bank1[write_address[ACTIVATION_BITS-1:0]] <= write_data;
    end

    ternary_core #(
        .LANES(LANES),
        .ACC_BITS(ACC_BITS)
    ) core (
        .clk(clk),
        .reset(reset),
        .start(start),
        .busy(busy),
        .layer_address(layer_address),
        .layer_data(layer_data),
        .weight_address(weight_address),
        .weight_data(weight_data),
        .channel_address(channel_address),
        .channel_data(channel_data),
        .read_bank(read_bank),
        .read_address(read_address),
        .read_data(read_bank ? data1 : data0),
        .write_enable(write_enable),
        .write_address(write_address),
        .write_data(write_data),
        .out_valid(out_valid),
        .out_last_layer(out_last_layer),
        .out_biased(out_biased)
    );
endmodule
