// Walks the layers of a frozen network: streams each position's inputs through the lanes, drains and requantises.
//
// A layer is a convolution; a dense layer is one over a 1x1 image. Per position, per group of LANES channels, the core
// streams `fan_in` inputs (one a cycle), waits one cycle for the last of them, and drains one channel a cycle.
// All memories are outside, synchronous, and answer one cycle after their address.
//
// Layer descriptor, 16 words of 32 bits each (see docs/rtl.md):
//   0 flags (bit 0 last layer, bit 1 relu)   1 weight base      2 channel base    3 channels
//   4 in_channels   5 kernel   6 stride   7 padding   8 height   9 width   10 height * width
//   11 stride * width   12 padding * width   13 out_height   14 out_width   15 out_height * out_width
module ternary_core #(
    parameter LANES = 64,
    parameter ACC_BITS = 32
) (
    input wire clk,
    input wire reset,
    input wire start,
    output wire busy,

    output wire [31:0] layer_address,
    input wire [31:0] layer_data,
    output wire [31:0] weight_address,
    input wire [2*LANES-1:0] weight_data,
    output wire [31:0] channel_address,
    input wire [71:0] channel_data,  // shift, multiplier, bias

    output wire read_bank,
    output wire [31:0] read_address,
    input wire signed [7:0] read_data,
    output wire write_enable,  // into the other bank
    output wire [31:0] write_address,
    output wire signed [7:0] write_data,

    output wire out_valid,  // one for every drained channel of every layer, in drain order
    output wire out_last_layer,
    output wire signed [31:0] out_biased
);
    localparam IDLE = 3'd0, FETCH = 3'd1, STREAM = 3'd2, WAIT = 3'd3, DRAIN = 3'd4, FLUSH = 3'd5;

    reg [2:0] state;
    reg bank;
    reg [15:0] layer;
    reg [4:0] word;  // of the descriptor; one ahead of its data
    reg [2:0] flush;

    reg [1:0] flags;
    reg [31:0] weight_base, channel_base, plane_size, stride_width, padding_width, positions;
    reg [15:0] channels, in_channels, kernel, stride, padding, height, width, out_height, out_width;

    // where the position's patch begins, as signed coordinates and as an address
    reg [15:0] out_x, out_y;
    reg signed [31:0] patch_x, patch_y, patch_row;
    reg [31:0] position;

    // where the stream is inside the patch
    reg [15:0] channel, kernel_x, kernel_y;
    reg signed [31:0] plane, row;
    reg [31:0] weight_next;

    // where the drain is
    reg [15:0] group_start, drained;
    reg [31:0] channel_next, output_next;

    reg streamed, outside;

    wire signed [31:0] input_x = patch_x + $signed({16'd0, kernel_x});
    wire signed [31:0] input_y = patch_y + $signed({16'd0, kernel_y});
    wire covered = input_x >= 0 && input_y >= 0 && input_x < $signed({16'd0, width}) &&
                  input_y < $signed({16'd0, height});

    wire last_x = kernel_x + 16'd1 == kernel;
    wire last_y = kernel_y + 16'd1 == kernel;
    wire last_input = last_x && last_y && channel + 16'd1 == in_channels;
    wire [15:0] remaining = channels - group_start;
    wire last_group = remaining <= LANES;
    wire [15:0] group_size = last_group ? remaining : LANES;
    wire last_drain = drained + 16'd1 == group_size;
    wire last_position = position + 32'd1 == positions;

    wire draining = state == DRAIN;
    wire signed [ACC_BITS-1:0] head;
    wire signed [31:0] accumulator = head;
    wire signed [7:0] value = outside ? 8'sd0 : read_data;

    assign busy = state != IDLE;
    assign layer_address = {12'd0, layer, 4'd0} + {27'd0, word};
    assign weight_address = weight_next;
    assign channel_address = channel_next;
    assign read_bank = bank;
    assign read_address = row + input_x;
    assign out_last_layer = flags[0];
    assign write_enable = out_valid && !flags[0];

    ternary_lanes #(
        .LANES(LANES),
        .ACC_BITS(ACC_BITS)
    ) lanes (
        .clk(clk),
        .clear(state == FETCH || (draining && last_drain)),
        .shift(draining),
        .accumulate(streamed),
        .value(value),
        .weights(weight_data),
        .head(head)
    );

    ternary_requantise requantise (
        .clk(clk),
        .reset(reset),
        .in_valid(draining),
        .in_accumulator(accumulator),
        .in_bias(channel_data[31:0]),
        .in_multiplier(channel_data[63:32]),
        .in_shift(channel_data[71:64]),
        .in_relu(flags[1]),
        .in_address(output_next),
        .out_valid(out_valid),
        .out_biased(out_biased),
        .out_value(write_data),
        .out_address(write_address)
    );

    task begin_patch;  // the stream restarts at the patch's first input
        begin
            channel <= 16'd0;
            kernel_x <= 16'd0;
            kernel_y <= 16'd0;
            plane <= 32'd0;
        end
    endtask

    always @(posedge clk) begin
        streamed <= state == STREAM;
        outside <= !covered;
        if (reset) begin
            state <= IDLE;
            bank <= 1'b0;
            streamed <= 1'b0;
        end else
            case (state)
                IDLE:
                if (start) begin
                    state <= FETCH;
                    bank <= 1'b0;
                    layer <= 16'd0;
                    word <= 5'd0;
                end

                FETCH: begin
                    word <= word + 5'd1;
                    case (word)
                        5'd1: flags <= layer_data[1:0];
                        5'd2: weight_base <= layer_data;
                        5'd3: channel_base <= layer_data;
                        5'd4: channels <= layer_data[15:0];
                        5'd5: in_channels <= layer_data[15:0];
                        5'd6: kernel <= layer_data[15:0];
                        5'd7: stride <= layer_data[15:0];
                        5'd8: padding <= layer_data[15:0];
                        5'd9: height <= layer_data[15:0];
                        5'd10: width <= layer_data[15:0];
                        5'd11: plane_size <= layer_data;
                        5'd12: stride_width <= layer_data;
                        5'd13: padding_width <= layer_data;
                        5'd14: out_height <= layer_data[15:0];
                        5'd15: out_width <= layer_data[15:0];
                        5'd16: begin
                            positions <= layer_data;
                            position <= 32'd0;
                            out_x <= 16'd0;
                            out_y <= 16'd0;
                            patch_x <= -$signed({16'd0, padding});
                            patch_y <= -$signed({16'd0, padding});
                            patch_row <= -$signed(padding_width);
                            row <= -$signed(padding_width);
                            weight_next <= weight_base;
                            channel_next <= channel_base;
                            group_start <= 16'd0;
                            drained <= 16'd0;
                            output_next <= 32'd0;
                            begin_patch;
                            state <= STREAM;
                        end
                        default: ;
                    endcase
                end

                STREAM: begin
                    weight_next <= weight_next + 32'd1;
                    kernel_x <= last_x ? 16'd0 : kernel_x + 16'd1;
                    if (last_x) begin
                        kernel_y <= last_y ? 16'd0 : kernel_y + 16'd1;
                        if (last_y) begin
                            channel <= channel + 16'd1;
                            plane <= plane + $signed(plane_size);
                            row <= plane + $signed(plane_size) + patch_row;
                        end else row <= row + $signed({16'd0, width});
                    end
                    if (last_input) state <= WAIT;
                end

                WAIT: begin  // the last input is added, the first channel's parameters are read
                    channel_next <= channel_next + 32'd1;
                    state <= DRAIN;
                end

                DRAIN: begin
                    drained <= last_drain ? 16'd0 : drained + 16'd1;
                    output_next <= output_next + positions;
                    if (!last_drain) channel_next <= channel_next + 32'd1;
                    else begin
                        begin_patch;
                        row <= patch_row;
                        if (!last_group) begin
                            group_start <= group_start + LANES;
                            state <= STREAM;
                        end else begin
                            group_start <= 16'd0;
                            weight_next <= weight_base;
                            channel_next <= channel_base;
                            position <= position + 32'd1;
                            output_next <= position + 32'd1;
                            if (out_x + 16'd1 == out_width) begin
                                out_x <= 16'd0;
                                out_y <= out_y + 16'd1;
                                patch_x <= -$signed({16'd0, padding});
                                patch_y <= patch_y + $signed({16'd0, stride});
                                patch_row <= patch_row + $signed(stride_width);
                                row <= patch_row + $signed(stride_width);
                            end else begin
                                out_x <= out_x + 16'd1;
                                patch_x <= patch_x + $signed({16'd0, stride});
                            end
                            flush <= 3'd0;
                            state <= last_position ? FLUSH : STREAM;
                        end
                    end
                end

                FLUSH: begin  // the requantiser is three stages deep
                    flush <= flush + 3'd1;
                    word <= 5'd0;
                    if (flush == 3'd3) begin
                        layer <= layer + 16'd1;
                        bank <= !bank;
                        state <= flags[0] ? IDLE : FETCH;
                    end
                end

                default: state <= IDLE;
            endcase
    end
endmodule
